import type { Environment } from '$lib/server/environment';
import { API, authorized, call } from './calls.ts';
import { POST } from '../src/lib/server/http/routes/file.ts';

// Calls of the proofs API.

/** Posts a body to the address of a backup's file. */
export async function post(
	file: string,
	body: unknown,
	{ accept, changes }: { accept?: string; changes?: Partial<Environment> } = {},
): Promise<Response> {
	const headers = { 'Content-Type': 'application/json', ...(accept && { Accept: accept }) };
	const text = typeof body === 'string' ? body : JSON.stringify(body);
	const init = { method: 'POST', headers, body: text };
	return call(POST, await authorized(init, `${API}/${encodeURIComponent(file)}`), changes);
}

export const outside = {
	kind: 'drill',
	by: 'GitHub Actions',
	startedAt: '2026-11-01T22:00:00.000Z',
	finishedAt: '2026-11-01T22:00:01.500Z',
	proven: true,
	scope: 'contents',
	tables: 1,
	rows: 3,
	bytes: 1000,
	differences: [],
};
