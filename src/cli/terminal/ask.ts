import { createInterface } from 'node:readline/promises';
import { EXIT } from './errors.ts';

/** Asks the person at the terminal. The answer is empty if they only press Enter, or close the input. */
export type Ask = (question: string) => Promise<string>;

/** Does some work that may ask questions; without a terminal to ask them on, `ask` is null. */
export async function withTerminal<T>(work: (ask: Ask | null) => Promise<T>): Promise<T> {
	const { stdin: input, stdout: output } = process;
	if (!input.isTTY || !output.isTTY) return work(null);
	const terminal = createInterface({ input, output });
	const closed = new AbortController();
	terminal.once('close', () => closed.abort());
	terminal.once('SIGINT', () => process.exit(EXIT.interrupted));
	const ask: Ask = async (question) => {
		const options = { signal: closed.signal };
		const answer = await terminal.question(question, options).catch(() => '');
		return answer.trim();
	};
	try {
		return await work(ask);
	} finally {
		terminal.close();
	}
}
