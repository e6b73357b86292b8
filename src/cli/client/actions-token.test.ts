import type { RequestListener } from 'node:http';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { json, listen, page, type Request } from '../../../tests/stand-in.ts';
import { actionsToken } from './actions-token.ts';

const AUDIENCE = 'https://app.example.com';
const BEARER = 'the-bearer-of-the-runner';
const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.eyJqdGkiOiIxIn0.c2lnbmF0dXJl';
const NEVER = new AbortController().signal;

beforeEach(() => {
	vi.stubEnv('ACTIONS_ID_TOKEN_REQUEST_URL', undefined);
	vi.stubEnv('ACTIONS_ID_TOKEN_REQUEST_TOKEN', undefined);
});
afterEach(() => {
	vi.unstubAllEnvs();
	vi.useRealTimers();
});

test('a token is requested from the runner as GitHub documents it', async () => {
	const requests: Request[] = [];
	await expect(ask(json(200, { count: 1, value: TOKEN }), requests)).resolves.toBe(TOKEN);
	expect(requests).toEqual([
		expect.objectContaining({
			method: 'GET',
			url: `/token?api-version=2.0&audience=${encodeURIComponent(AUDIENCE)}`,
			headers: expect.objectContaining({ authorization: `bearer ${BEARER}` }),
		}),
	]);
});

test('the audience stays a single parameter, whatever it contains', async () => {
	const requests: Request[] = [];
	await ask(json(200, { value: TOKEN }), requests, 'https://a.test/?x=1&audience=b#c ü');
	const { searchParams } = new URL(requests[0]?.url ?? '', 'http://runner.test');
	expect(searchParams.getAll('audience')).toEqual(['https://a.test/?x=1&audience=b#c ü']);
});

test('every call requests a new token', async () => {
	const requests: Request[] = [];
	await using runner = await listen(json(200, { value: TOKEN }), requests);
	allow(runner.url);
	await actionsToken(AUDIENCE, NEVER);
	await actionsToken(AUDIENCE, NEVER);
	expect(requests).toHaveLength(2);
});

describe('without a token the error says what the job needs', () => {
	test.for(['ACTIONS_ID_TOKEN_REQUEST_URL', 'ACTIONS_ID_TOKEN_REQUEST_TOKEN'])(
		'%s is missing',
		async (name) => {
			const requests: Request[] = [];
			await using runner = await listen(json(200, { value: TOKEN }), requests);
			allow(runner.url);
			vi.stubEnv(name, '');
			await expect(actionsToken(AUDIENCE, NEVER)).rejects.toMatchObject(unavailable(false));
			expect(requests).toEqual([]);
		},
	);

	test.for([
		['a refusal', json(403, { message: 'no' }), false],
		['a refusal with a value', json(401, { value: TOKEN }), false],
		['an error', page(500, '<html>'), true],
		['a page', page(200, '<html>'), false],
		['nothing', page(200, ''), false],
		['no value', json(200, {}), false],
		['null', page(200, 'null'), false],
		['a number', json(200, { value: 7 }), false],
		['a command', json(200, { value: `${TOKEN}\n::set-env::` }), false],
	] as [string, RequestListener, boolean][])('the answer is %s', async ([, answer, retryable]) => {
		await expect(ask(answer)).rejects.toMatchObject(unavailable(retryable));
	});

	test('a redirect is not followed, so that the bearer token reaches no other host', async () => {
		const requests: Request[] = [];
		await using elsewhere = await listen(json(200, { value: TOKEN }), requests);
		const redirect = json(302, {}, { Location: elsewhere.url });
		await expect(ask(redirect)).rejects.toMatchObject(unavailable(false));
		expect(requests).toEqual([]);
	});

	test('the runner cannot be reached, which is retryable', async () => {
		allow('http://127.0.0.1:9');
		const error = await actionsToken(AUDIENCE, NEVER).catch((thrown: unknown) => thrown);
		expect(error).toMatchObject(unavailable(true));
		expect(String(error)).not.toContain(BEARER);
	});

	test('the address is invalid', async () => {
		allow('no address');
		await expect(actionsToken(AUDIENCE, NEVER)).rejects.toMatchObject(unavailable(true));
	});

	test('the runner is silent for half a minute, which is retryable', async () => {
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		const silent: RequestListener = () => vi.advanceTimersByTime(30_000);
		await expect(ask(silent)).rejects.toMatchObject(unavailable(true));
	});
});

test('a signal aborts the request with its own reason', async () => {
	const caller = new AbortController();
	const reason = new Error('the run is over');
	const silent: RequestListener = () => caller.abort(reason);
	await expect(ask(silent, [], AUDIENCE, caller.signal)).rejects.toBe(reason);
});

/** Requests a token from a runner that answers like this. */
async function ask(
	answer: RequestListener,
	requests: Request[] = [],
	audience = AUDIENCE,
	signal = NEVER,
): Promise<string> {
	await using runner = await listen(answer, requests);
	allow(runner.url);
	return await actionsToken(audience, signal);
}

/** Sets the environment of a job that may request tokens. */
function allow(runner: string): void {
	vi.stubEnv('ACTIONS_ID_TOKEN_REQUEST_URL', `${runner}/token?api-version=2.0`);
	vi.stubEnv('ACTIONS_ID_TOKEN_REQUEST_TOKEN', BEARER);
}

function unavailable(retryable: boolean) {
	const hint = expect.stringContaining('permissions: id-token: write');
	return { name: 'LifeboatError', code: 'token_unavailable', retryable, hint };
}
