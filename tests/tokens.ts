import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

/** Where the tokens of {@link mint} are for. */
export const AUDIENCE = 'https://app.example.com';

/** The number of the repository that they are from. */
export const REPOSITORY_ID = '74';

/** Claims that differ from those of a good token; those that are undefined are left out. */
export type Claims = Record<string, unknown>;

/** A key of an issuer of tokens. */
export interface IssuerKey {
	/** Its name; undefined when tokens are not to say it. */
	kid: string | undefined;
	alg: string;
	privateKey: CryptoKey;
	publicKey: CryptoKey;
	/** The public half, as the issuer publishes it. */
	jwk: JWK;
}

/** Makes a key of RSA. */
export async function makeKey(kid: string, alg = 'RS256'): Promise<IssuerKey> {
	const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
	const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
	return { kid, alg, privateKey, publicKey, jwk };
}

/**
 * Makes a token such as GitHub's runner gives a scheduled run, with fewer claims:
 * https://docs.github.com/en/actions/reference/security/oidc. `now` is in seconds.
 */
export function mint(
	{ kid, alg, privateKey }: IssuerKey,
	issuer: string,
	now: number,
	changed: Claims = {},
	header: object = {},
): Promise<string> {
	return new SignJWT(claimsOf(issuer, now, changed))
		.setProtectedHeader({ alg, typ: 'JWT', ...(kid !== undefined && { kid }), ...header })
		.sign(privateKey);
}

/** The claims of such a token. */
export function claimsOf(issuer: string, now: number, changed: Claims = {}): JWTPayload {
	const claims = {
		sub: 'repo:octo-org/octo-repo:ref:refs/heads/main',
		repository: 'octo-org/octo-repo',
		repository_id: REPOSITORY_ID,
		ref: 'refs/heads/main',
		event_name: 'schedule',
		iss: issuer,
		aud: AUDIENCE,
		jti: 'example-id',
		nbf: now - 600,
		iat: now,
		exp: now + 300,
		...changed,
	};
	return JSON.parse(JSON.stringify(claims)) as JWTPayload;
}
