import { expect, vi } from 'vitest';
import { AUDIENCE, type Claims, type IssuerKey, makeKey, mint, REPOSITORY_ID } from './tokens.ts';
import type { OutsideAnswer, Seen } from './outside.ts';
import { checkToken } from '../src/lib/server/access/token.ts';
import { type TokenSettings } from '../src/lib/server/access/token-settings.ts';

// A new token issuer for each test, and the requests it receives.

export const NOW = Date.UTC(2026, 10, 25, 3, 17);

export const SECONDS = NOW / 1000;

export const key = await makeKey('key-1');

export const other = await makeKey('key-2');

/** Settings that accept tokens from this test's issuer. */
export let settings: TokenSettings;

/** Switches to a new issuer, because an issuer's keys are cached, and stops the clock at {@link NOW}. */
export async function newIssuer(): Promise<void> {
	vi.useFakeTimers({ toFake: ['Date'], now: NOW });
	const issuer = `https://issuer-${crypto.randomUUID()}.test`;
	settings = {
		...{ repositoryId: REPOSITORY_ID, audience: AUDIENCE, ref: 'refs/heads/main', issuer },
		...{ workflows: [], environment: null, mayFetch: false },
	};
	await publish([key]);
}

/** A token from this test's issuer. */
export function token(changed: Claims = {}, signer: IssuerKey = key, header = {}): Promise<string> {
	return mint(signer, settings.issuer, SECONDS, changed, header);
}

export function check(text: string, now = NOW, changes: Partial<TokenSettings> = {}) {
	return checkToken(text, { ...settings, ...changes }, now);
}

export function invalid(fault: string) {
	const words: Record<string, string> = {
		...{ issuer: 'BACKUP_OIDC_ISSUER', audience: 'BACKUP_OIDC_AUDIENCE', time: 'too old' },
		...{ algorithm: 'RS256', signature: 'not signed by the issuer', form: 'lacks a part' },
	};
	const hint = expect.stringContaining(words[fault] ?? 'no such fault');
	return { code: 'token_invalid', status: 401, hint };
}

/** Makes this test's issuer publish exactly these keys. */
export function publish(keys: IssuerKey[], answer: OutsideAnswer = {}) {
	return answerKeys({ ...answer, body: JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }) });
}

export async function answerKeys(answer: OutsideAnswer) {
	const body = JSON.stringify({ url: `${settings.issuer}/.well-known/jwks`, ...answer });
	await fetch('https://outside.test/answer', { method: 'PUT', body });
}

/** The addresses fetched from a host since the last call of this function. */
export async function fetches(host = new URL(settings.issuer).host) {
	const response = await fetch(`https://outside.test/seen?host=${host}`);
	return (await response.json<Seen[]>()).map(({ url }) => url);
}
