import { setTimeout as wait } from 'node:timers/promises';
import { retry } from '../retry.ts';

/** Milliseconds in which one call of the app must send all its notifications. */
export const SEND_MS = 10_000;
const MAX_TRIES = 3;
const PAUSE_MS = 500;

/** A message to a receiver outside the app. */
export interface Message {
	url: URL;
	body: string;
	contentType: 'application/json' | 'text/plain';
}

/** The receiver answered, and did not accept the message. */
class Refused extends Error {
	readonly status: number;

	constructor(status: number) {
		super(`The receiver answered ${status}.`);
		this.status = status;
	}
}

/**
 * Posts a message, and returns whether it was accepted. Tries again if that may help, until the signal
 * aborts. Never throws, follows no redirects, which could lead anywhere, and ignores the answer's body.
 */
export async function send(message: Message, signal: AbortSignal): Promise<boolean> {
	const pauseAfter = (error: unknown, tries: number) =>
		tries < MAX_TRIES && mayPass(error) ? PAUSE_MS : null;
	const pause = (milliseconds: number) => wait(milliseconds, undefined, { signal });
	try {
		await retry(() => post(message, signal), pauseAfter, pause);
		return true;
	} catch {
		return false;
	}
}

async function post({ url, body, contentType }: Message, signal: AbortSignal): Promise<void> {
	const response = await fetch(url, {
		method: 'POST',
		headers: { 'Content-Type': contentType, 'User-Agent': 'Lifeboat' },
		body,
		signal,
		redirect: 'manual',
	});
	await response.body?.cancel();
	if (!response.ok) throw new Refused(response.status);
}

/** Whether another try may succeed: the receiver did not answer, is overloaded, or has a fault. */
function mayPass(error: unknown): boolean {
	return !(error instanceof Refused) || error.status === 429 || error.status >= 500;
}
