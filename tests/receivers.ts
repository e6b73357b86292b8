import type { Seen } from './outside.ts';

// Receivers of alerts and pings for tests inside workerd; each has its own host name.

/** Sets what an address answers from now on. */
export async function answerAt(url: string, answer: object): Promise<void> {
	const body = JSON.stringify({ url, ...answer });
	await fetch('https://outside.test/answer', { method: 'PUT', body });
}

/** A receiver that has received nothing yet. */
export function receiver(path = '/hook'): URL {
	return new URL(`https://${crypto.randomUUID()}.example${path}`);
}

/** What a receiver has received since the last call of this function. */
export async function received({ host }: URL): Promise<Seen[]> {
	const seen = await fetch(`https://outside.test/seen?host=${host}`);
	return (await seen.json()) as Seen[];
}

/** The alerts among them, parsed from JSON. */
export async function receivedAlerts(url: URL): Promise<Record<string, string>[]> {
	return (await received(url)).map(({ body }) => JSON.parse(body));
}

/** Ways in which a receiver can fail. */
export const BROKEN: [string, object][] = [
	['answers 500', { status: 500 }],
	['answers 404', { status: 404, body: 'no such hook' }],
	['redirects', { status: 302, headers: { Location: 'https://elsewhere.example/' } }],
	['answers endless garbage', { status: 503, body: '\u0000\uffff<html>'.repeat(100_000) }],
	['hangs', { wait: 60_000 }],
];

/** Makes a receiver fail this way at every path. */
export async function breakReceiver(url: URL, answer: object): Promise<void> {
	for (const path of ['', '/start', '/fail']) {
		await answerAt(`${url.origin}${url.pathname}${path}`, answer);
	}
}
