import { createHash } from 'node:crypto';
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import * as v from 'valibot';
import type { Environment } from '../environment.ts';
import { LifeboatError } from '../errors.ts';

const GITHUB_ISSUER = 'https://token.actions.githubusercontent.com';
const DEFAULT_REF = 'refs/heads/main';

/** Characters. GitHub's tokens have about 2,000. */
const MAX_TOKEN_LENGTH = 8192;

/** Seconds. GitHub's tokens last for minutes; no issuer can make one that lasts longer here. */
const MAX_AGE = 15 * 60;

/** Seconds by which the clocks of the issuer and of the app may differ. */
const CLOCK_TOLERANCE = 10;

const KEYS = {
	/** Milliseconds for which a key that the issuer has withdrawn is still trusted. */
	cacheMaxAge: 10 * 60_000,
	/** Milliseconds without another fetch, however many tokens name a key that is not there. */
	cooldownDuration: 5000,
	/** Milliseconds that the issuer has to answer. */
	timeoutDuration: 5000,
};

/**
 * What may have started the run. `pull_request_target` is not among them: it runs with the `ref` of
 * the default branch when a stranger opens a pull request.
 */
const EVENTS = ['schedule', 'workflow_dispatch', 'workflow_run'] as const;

/** What can be wrong with a token, and what to do about it. */
const HINTS = {
	form: 'It lacks a part that a token of GitHub Actions has: send it as the runner gives it.',
	algorithm: 'It has to be signed with RS256: send it as the runner gives it.',
	signature: 'No key of the issuer has signed it: send it unchanged, and check BACKUP_OIDC_ISSUER.',
	issuer: 'The app trusts another issuer: check BACKUP_OIDC_ISSUER.',
	audience:
		'Its audience is wrong: ask GitHub for a token with that of BACKUP_OIDC_AUDIENCE alone.',
	time: 'It is too old, or not valid yet: ask GitHub for a fresh token for each call.',
};

type Fault = keyof typeof HINTS;

const CLAIM_FAULTS: Record<string, Fault | undefined> = {
	iss: 'issuer',
	aud: 'audience',
	exp: 'time',
	nbf: 'time',
	iat: 'time',
};

/** jose has checked that these are there, and that the times are numbers. */
const Once = v.object({ jti: v.pipe(v.string(), v.nonEmpty()), exp: v.number(), iat: v.number() });

/** Whose tokens stand in for a code. */
export interface TokenSettings {
	/** GitHub's number of the repository: a name may be given up, and taken by somebody else. */
	repositoryId: string;
	/** The origin of the app: a token for another service is of no use here. */
	audience: string;
	/** The branch, `refs/heads/main`. */
	ref: string;
	issuer: string;
}

/** A token that is good. */
export interface CheckedToken {
	/** 64 hexadecimal digits that no other token has: the SHA-256 of its `jti`. */
	id: string;
	/** Unix time in milliseconds, from which on it is refused as too old. */
	until: number;
}

/** The keys of each issuer, kept for as long as the isolate lives, so that few calls wait for them. */
const keySets = new Map<string, JWTVerifyGetKey>();

/**
 * The settings of tokens; null when none are accepted.
 *
 * Throws {@link LifeboatError} (500): `backup_oidc_repository_id_invalid`,
 * `backup_oidc_audience_invalid`, `backup_oidc_ref_invalid`, `backup_oidc_issuer_invalid`.
 */
export function tokenSettings(env: Environment | undefined): TokenSettings | null {
	const repositoryId = env?.BACKUP_OIDC_REPOSITORY_ID?.trim() ?? '';
	const audience = env?.BACKUP_OIDC_AUDIENCE?.trim() ?? '';
	const ref = env?.BACKUP_OIDC_REF?.trim() || DEFAULT_REF;
	const issuer = env?.BACKUP_OIDC_ISSUER?.trim() || GITHUB_ISSUER;
	if (repositoryId === '' && audience === '') return null;
	if (!/^[1-9]\d*$/.test(repositoryId)) {
		throw settingInvalid(
			'BACKUP_OIDC_REPOSITORY_ID',
			'Set it to the number that `gh api repos/OWNER/NAME --jq .id` prints.',
		);
	}
	if (!isAddress(audience) || new URL(audience).origin !== audience) {
		throw settingInvalid(
			'BACKUP_OIDC_AUDIENCE',
			"Set it to the app's origin, such as https://app.example.com, without a slash at the end; http is for localhost only.",
		);
	}
	if (!/^refs\/heads\/\S+$/.test(ref)) {
		throw settingInvalid('BACKUP_OIDC_REF', 'Set it to a branch, such as refs/heads/main.');
	}
	if (!isAddress(issuer)) {
		throw settingInvalid(
			'BACKUP_OIDC_ISSUER',
			`Leave it out, which is ${GITHUB_ISSUER}, or set it to an https address without a slash at the end; http is for localhost only.`,
		);
	}
	return { repositoryId, audience, ref, issuer };
}

/** Whether a bearer has the form of a token, a JWS in compact form (RFC 7515, 7.1): no code has it. */
export function looksLikeToken(bearer: string): boolean {
	return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(bearer);
}

/**
 * Checks a token of GitHub Actions: signature, issuer, audience and times (RFC 7519, 4.1), then which
 * repository, branch and event its run has. `now` is Unix time in milliseconds. Whether it was used
 * before is for the caller to find out.
 *
 * Throws `token_invalid` (401), `token_not_allowed` (403), `issuer_unreachable` (503).
 * @see https://docs.github.com/en/actions/reference/security/oidc
 */
export async function checkToken(
	token: string,
	settings: TokenSettings,
	now: number,
): Promise<CheckedToken> {
	if (token.length > MAX_TOKEN_LENGTH) throw tokenInvalid('form');
	const payload = await verify(token, settings, now);
	// One that is good for another service too could have been passed on by it.
	if (Array.isArray(payload.aud) && payload.aud.length !== 1) throw tokenInvalid('audience');
	requireRun(payload, settings);
	if (!v.is(Once, payload)) throw tokenInvalid('form');
	const { jti, exp, iat } = payload;
	return {
		id: createHash('sha256').update(jti).digest('hex'),
		// Times are compared in whole seconds, so it may pass for one more.
		until: (Math.min(exp, iat + MAX_AGE) + CLOCK_TOLERANCE + 1) * 1000,
	};
}

async function verify(token: string, settings: TokenSettings, now: number): Promise<JWTPayload> {
	const { issuer, audience } = settings;
	try {
		const { payload } = await jwtVerify(token, keysOf(issuer), {
			algorithms: ['RS256'],
			issuer,
			audience,
			requiredClaims: ['exp', 'nbf', 'iat', 'jti'],
			clockTolerance: CLOCK_TOLERANCE,
			maxTokenAge: MAX_AGE,
			currentDate: new Date(now),
		});
		return payload;
	} catch (error) {
		const fault = faultOf(error);
		throw fault === null ? error : tokenInvalid(fault);
	}
}

/** Finds the key that signed a token. What it returns throws `issuer_unreachable` (503). */
function keysOf(issuer: string): JWTVerifyGetKey {
	const address = new URL(`${issuer}/.well-known/jwks`);
	const keys = keySets.get(issuer) ?? createRemoteJWKSet(address, KEYS);
	keySets.set(issuer, keys);
	return async (header, token) => {
		try {
			return await keys(header, token);
		} catch (error) {
			throw isKeyUnknown(error) ? error : issuerUnreachable(error);
		}
	};
}

function isKeyUnknown(error: unknown): boolean {
	return (
		error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys
	);
}

/** What is wrong with a token that jose has refused; null when it is not the token. */
function faultOf(error: unknown): Fault | null {
	if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm';
	if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
	if (isKeyUnknown(error)) return 'signature';
	if (error instanceof errors.JWTExpired) return 'time';
	if (error instanceof errors.JWTClaimValidationFailed) return CLAIM_FAULTS[error.claim] ?? 'form';
	return error instanceof errors.JOSEError ? 'form' : null;
}

/** Throws `token_not_allowed` (403) for the token of a run that the settings do not name. */
function requireRun(payload: JWTPayload, { repositoryId, ref }: TokenSettings): void {
	const { issues } = v.safeParse(
		v.object(
			{
				repository_id: v.literal(
					repositoryId,
					'It is not the repository of BACKUP_OIDC_REPOSITORY_ID.',
				),
				ref: v.literal(ref, 'Run it on the branch that BACKUP_OIDC_REF names.'),
				event_name: v.picklist(EVENTS, `Start it by one of these events: ${EVENTS.join(', ')}.`),
			},
			'The token does not say in which repository, on which branch and by which event.',
		),
		payload,
	);
	if (issues === undefined) return;
	throw new LifeboatError('This run of a workflow may not call.', {
		code: 'token_not_allowed',
		status: 403,
		hint: issues[0].message,
	});
}

/** An address of https, or of http on this machine, with no slash at its end and nothing behind it. */
function isAddress(text: string): boolean {
	if (!URL.canParse(text)) return false;
	const { protocol, hostname, origin, pathname } = new URL(text);
	const isLocal = protocol === 'http:' && ['localhost', '127.0.0.1'].includes(hostname);
	return (isLocal || protocol === 'https:') && `${origin}${pathname}`.replace(/\/$/, '') === text;
}

function settingInvalid(name: keyof Environment, hint: string): LifeboatError {
	return new LifeboatError(`The setting ${name} is missing or not understood.`, {
		code: `${name.toLowerCase()}_invalid`,
		status: 500,
		hint,
	});
}

function tokenInvalid(fault: Fault): LifeboatError {
	return new LifeboatError('The token is not valid.', {
		code: 'token_invalid',
		status: 401,
		hint: HINTS[fault],
	});
}

function issuerUnreachable(cause: unknown): LifeboatError {
	return new LifeboatError('The token cannot be checked: its issuer does not give its keys.', {
		code: 'issuer_unreachable',
		status: 503,
		hint: 'Try again in a minute, with a fresh token. If it lasts, check BACKUP_OIDC_ISSUER.',
		retryable: true,
		cause,
	});
}
