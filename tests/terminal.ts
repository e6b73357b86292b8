import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A part of a question, and what the person types then. */
type Typed = readonly [question: string, answer: string | (() => string)];

/**
 * Runs a shell's command line in a terminal of its own, by util-linux's `script`, and types the answers
 * in this order, each once its question is on the screen. Returns the screen and the exit code.
 */
export async function atTerminal(
	command: string,
	options: { cwd: string; env: NodeJS.ProcessEnv },
	answers: readonly Typed[],
): Promise<{ exitCode: number | null; screen: string }> {
	const child = spawn(
		'script',
		['--quiet', '--return', '--flush', '--command', command, '/dev/null'],
		{
			...options,
			stdio: ['pipe', 'pipe', 'inherit'],
		},
	);
	let screen = '';
	let answered = 0;
	const left = [...answers];
	child.stdout.on('data', (data) => {
		screen += String(data);
		const [question, answer] = left[0] ?? [];
		const at = question === undefined ? -1 : screen.indexOf(question, answered);
		if (at === -1 || !screen.includes('(Enter: ', at)) return;
		left.shift();
		answered = screen.length;
		child.stdin.write(`${typeof answer === 'function' ? answer() : answer}\n`);
	});
	const [exitCode] = (await once(child, 'close')) as [number | null];
	if (left.length > 0) throw new Error(`It did not ask: ${left[0]?.[0]}\n${screen}`);
	return { exitCode, screen };
}
