import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

// A stand-in for GitHub's issuer of tokens, for tests inside workerd: its keys are outside.

/** A key of an issuer, by its id. */
export interface IssuerKey {
	kid: string;
	private: CryptoKey;
	jwk: JWK;
}

/** A new key, as GitHub has them. */
export async function makeKey(kid: string): Promise<IssuerKey> {
	const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
	const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' };
	return { kid, private: privateKey, jwk };
}

/** Lets an address answer what it is told to from now on. */
export async function answerAt(url: string, answer: object): Promise<void> {
	const body = JSON.stringify({ url, ...answer });
	await fetch('https://outside.test/answer', { method: 'PUT', body });
}

/** How often the issuer was asked for its keys since the last time that this was called. */
export async function timesAsked(issuer: string): Promise<number> {
	const seen = await fetch(`https://outside.test/seen?host=${new URL(issuer).host}`);
	return ((await seen.json()) as unknown[]).length;
}

/** The keys that the issuer shows from now on. */
export function publish(issuer: string, ...keys: IssuerKey[]): Promise<void> {
	const body = JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });
	return answerAt(`${issuer}/.well-known/jwks`, { body });
}

/** A token with these claims; of its header, what is given counts. */
export function sign(
	key: IssuerKey,
	claims: JWTPayload,
	header: { alg?: string; kid?: string } = {},
): Promise<string> {
	const { alg = 'RS256', kid = key.kid } = header;
	return new SignJWT(claims).setProtectedHeader({ alg, kid, typ: 'JWT' }).sign(key.private);
}
