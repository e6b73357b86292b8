import { LifeboatError, messageOf } from '../../lib/server/errors.ts';
import type { Ask } from '../terminal/ask.ts';
import { describe, EXIT } from '../terminal/errors.ts';
import { print, printAside } from '../terminal/print.ts';
import { formatTable, seconds } from '../terminal/text.ts';
import { plain } from './answers.ts';
import type { Step } from './step.ts';

/** A row of the table: step, result, time. */
type Row = [string, string, string];

/**
 * Takes each step that is not done, one after the other, and prints a table of what it did. `ask` is null
 * if nobody has to agree. After a failure, or a refusal without which the rest makes no sense, it stops.
 * Returns the exit code.
 */
export async function walk(steps: Step[], ask: Ask | null, signal: AbortSignal): Promise<number> {
	const rows: Row[] = [];
	for (const step of steps) {
		const { name, hint, optional } = step;
		let start = performance.now();
		const agree = async (question: string) => {
			const answer = await ask?.(question);
			start = performance.now(); // the person's time does not count
			return answer === undefined || /^y(es)?$/i.test(answer);
		};
		const add = (result: string) => {
			rows.push([name, result, seconds(performance.now() - start)]);
		};
		try {
			signal.throwIfAborted();
			const result = await take(step, agree);
			add(result ?? 'left out: you said no');
			if (result === null && !optional) return stop(rows, [`Stopped before ${name}.`, AGAIN]);
		} catch (error) {
			add('failed');
			const code = stop(rows, [`${name} failed: ${told(error)}`, `${hint} ${AGAIN}`.trim()]);
			signal.throwIfAborted();
			return code;
		}
	}
	print(['', ...table(rows)]);
	return EXIT.good;
}

const AGAIN = 'Run this again to go on from here: what is done is skipped.';

/** The sentences of an error; of a program, all that it printed. */
function told(error: unknown): string {
	return error instanceof LifeboatError ? describe(error) : plain(messageOf(error)).trim();
}

/** What came of a step; null if the person refused it. */
async function take(
	step: Step,
	agree: (question: string) => Promise<boolean>,
): Promise<string | null> {
	const there = await step.isDone();
	if (there !== null) return `skipped: ${there}`;
	print(['', `${step.name}:`, ...indented(await step.commands())]);
	if (!(await agree('Do this? y/N (Enter: no) '))) return null;
	return `done: ${await step.run()}`;
}

/** Prints what {@link walk} would do, and changes nothing. Returns the exit code. */
export async function preview(steps: Step[], signal: AbortSignal): Promise<number> {
	const rows: [string, string][] = [];
	const unknown = new Set<string>();
	for (const step of steps) {
		const there = await foreseen(step, unknown);
		signal.throwIfAborted();
		const commands = there === null ? await commandsOf(step) : [];
		const [first = there === null ? 'to do' : `skipped: ${there}`, ...more] = commands;
		rows.push([step.name, first], ...more.map((line): [string, string] => ['', line]));
	}
	print(formatTable(['step', 'what it would do'], rows));
	if (unknown.size > 0) printAside(['', 'Could not be checked yet:', ...unknown]);
	return EXIT.good;
}

/** None if they depend on an earlier step. */
async function commandsOf(step: Step): Promise<string[]> {
	try {
		return await step.commands();
	} catch {
		return [];
	}
}

async function foreseen(step: Step, unknown: Set<string>): Promise<string | null> {
	if (step.checkWrites) return null;
	try {
		return await step.isDone();
	} catch (error) {
		unknown.add(`${step.name}: ${messageOf(error).trim().split('\n')[0]}`);
		return null;
	}
}

function stop(rows: Row[], sentences: string[]): number {
	print(['', ...table(rows), '']);
	printAside(sentences.flatMap((sentence) => sentence.split('\n')));
	return EXIT.differs;
}

function table(rows: Row[]): string[] {
	return formatTable(['step', 'result', 'time'], rows);
}

function indented(lines: string[]): string[] {
	return lines.map((line) => (line.startsWith('# ') ? `  ${line}` : `  $ ${line}`));
}
