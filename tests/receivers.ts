import type { Seen } from './outside.ts';

// Receivers of alerts and pings, for tests inside workerd: each has a host of its own outside.

/** Lets an address answer what it is told to from now on. */
export async function answerAt(url: string, answer: object): Promise<void> {
	const body = JSON.stringify({ url, ...answer });
	await fetch('https://outside.test/answer', { method: 'PUT', body });
}

/** A receiver that nobody has written to yet. */
export function receiver(path = '/hook'): URL {
	return new URL(`https://${crypto.randomUUID()}.example${path}`);
}

/** What a receiver was sent since the last time that this was called. */
export async function received({ host }: URL): Promise<Seen[]> {
	const seen = await fetch(`https://outside.test/seen?host=${host}`);
	return (await seen.json()) as Seen[];
}

/** The same as the objects that they were. */
export async function receivedAlerts(url: URL): Promise<Record<string, string>[]> {
	return (await received(url)).map(({ body }) => JSON.parse(body));
}

/** Receivers that are of no use, by what they do. */
export const BROKEN: [string, object][] = [
	['answers 500', { status: 500 }],
	['answers 404', { status: 404, body: 'no such hook' }],
	['redirects', { status: 302, headers: { Location: 'https://elsewhere.example/' } }],
	['answers garbage without an end', { status: 503, body: '\u0000\uffff<html>'.repeat(100_000) }],
	['hangs', { wait: 60_000 }],
];

/** Lets a receiver do that, at each of the paths. */
export async function breakReceiver(url: URL, answer: object): Promise<void> {
	for (const path of ['', '/start', '/fail']) {
		await answerAt(`${url.origin}${url.pathname}${path}`, answer);
	}
}
