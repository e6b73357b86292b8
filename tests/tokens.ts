import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

/** The audience of the tokens of {@link mint}. */
export const AUDIENCE = 'https://app.example.com';

/** The id of the repository that they are issued to. */
export const REPOSITORY_ID = '74';

/** The workflow whose run gets them. */
export const WORKFLOW = 'octo-org/octo-repo/.github/workflows/backup.yml@refs/heads/main';

/** Claims that replace those of a valid token; undefined ones are left out. */
export type Claims = Record<string, unknown>;

/** A token issuer's key. */
export interface IssuerKey {
	/** Its key id; undefined to leave it out of tokens. */
	kid: string | undefined;
	alg: string;
	privateKey: CryptoKey;
	publicKey: CryptoKey;
	/** The public half, as the issuer publishes it. */
	jwk: JWK;
}

/** Generates an RSA key. */
export async function makeKey(kid: string, alg = 'RS256'): Promise<IssuerKey> {
	const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
	const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
	return { kid, alg, privateKey, publicKey, jwk };
}

/**
 * Makes a token like the one a scheduled run gets from GitHub, with fewer claims:
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

/** The claims of the token that {@link mint} makes. */
export function claimsOf(issuer: string, now: number, changed: Claims = {}): JWTPayload {
	const claims = {
		sub: 'repo:octo-org/octo-repo:ref:refs/heads/main',
		repository: 'octo-org/octo-repo',
		repository_id: REPOSITORY_ID,
		ref: 'refs/heads/main',
		event_name: 'schedule',
		workflow_ref: WORKFLOW,
		job_workflow_ref: WORKFLOW,
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
