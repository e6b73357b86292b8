import { createHash } from 'node:crypto';
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import * as v from 'valibot';
import { LifeboatError } from '../errors.ts';
import type { TokenSettings } from './token-settings.ts';

/** Characters. GitHub's tokens have about 2,000. */
const MAX_TOKEN_LENGTH = 8192;

/** Seconds. GitHub's tokens are valid for minutes; older ones are refused, whatever they say. */
const MAX_AGE = 15 * 60;

/** Seconds by which the clocks of issuer and app may differ. */
const CLOCK_TOLERANCE = 10;

const KEYS = {
	/** Milliseconds for which a key that the issuer has withdrawn stays trusted. */
	cacheMaxAge: 10 * 60_000,
	/** Milliseconds between two fetches, however many tokens name an unknown key. */
	cooldownDuration: 5000,
	/** Milliseconds to wait for the issuer's answer. */
	timeoutDuration: 5000,
};

/**
 * Events that may start the run. `pull_request_target` is not one of them: it runs with the `ref` of
 * the default branch when a stranger opens a pull request.
 */
const EVENTS = ['schedule', 'workflow_dispatch', 'workflow_run'] as const;

/** What can be wrong with a token, and how to correct it. */
const HINTS = {
	form: 'It lacks a part of a GitHub Actions token: send it exactly as the runner provides it.',
	algorithm: 'It must be signed with RS256: send it exactly as the runner provides it.',
	signature: 'It was not signed by the issuer: send it unchanged, and check BACKUP_OIDC_ISSUER.',
	issuer: 'The app trusts another issuer: check BACKUP_OIDC_ISSUER.',
	audience:
		'Its audience is wrong: request a token from GitHub with BACKUP_OIDC_AUDIENCE as its only audience.',
	time: 'It is too old, or not valid yet: request a new token from GitHub for each call.',
};

type Fault = keyof typeof HINTS;

const CLAIM_FAULTS: Record<string, Fault | undefined> = {
	iss: 'issuer',
	aud: 'audience',
	exp: 'time',
	nbf: 'time',
	iat: 'time',
};

/** jose has checked that these are present, and that the times are numbers. */
const Once = v.object({ jti: v.pipe(v.string(), v.nonEmpty()), exp: v.number(), iat: v.number() });

/** A valid token. */
export interface CheckedToken {
	/** The SHA-256 of its unique `jti`, in hexadecimal. */
	id: string;
	/** When it starts to be refused as too old, in milliseconds since 1970. */
	until: number;
}

/** The keys of each issuer, kept for the isolate's lifetime, so that few calls wait for a fetch. */
const keySets = new Map<string, JWTVerifyGetKey>();

/** Whether a bearer has the form of a token, a compact JWS (RFC 7515, 7.1), which no code has. */
export function looksLikeToken(bearer: string): boolean {
	return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(bearer);
}

/**
 * Requires that tokens may fetch files: anyone who can make GitHub issue one could read every backup.
 * Throws `token_may_not_fetch` (403).
 */
export function requireFetch(settings: TokenSettings | null): void {
	if (settings?.mayFetch) return;
	throw new LifeboatError('A token may not fetch backups.', {
		code: 'token_may_not_fetch',
		status: 403,
		hint: 'If the workflow needs their files, as the drill does, set BACKUP_OIDC_FETCH to yes in the app, or let it call with a code: docs/github-oidc.md.',
	});
}

/**
 * Checks a token of GitHub Actions: signature, issuer, audience and times (RFC 7519, 4.1), then the
 * repository, branch, event, workflow and environment of its run. `now` is in milliseconds since 1970.
 * The caller must check that it was not used before.
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
	// Another service that the token is also valid for could have passed it on.
	if (Array.isArray(payload.aud) && payload.aud.length !== 1) throw tokenInvalid('audience');
	requireRun(payload, settings);
	if (!v.is(Once, payload)) throw tokenInvalid('form');
	const { jti, exp, iat } = payload;
	return {
		id: createHash('sha256').update(jti).digest('hex'),
		// Times are compared in whole seconds, so it may be accepted for one more.
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

/** Finds the key that signed a token. The function that it returns throws `issuer_unreachable` (503). */
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

/** Why jose refused a token; null if the token is not the reason. */
function faultOf(error: unknown): Fault | null {
	if (error instanceof errors.JOSEAlgNotAllowed) return 'algorithm';
	if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
	if (isKeyUnknown(error)) return 'signature';
	if (error instanceof errors.JWTExpired) return 'time';
	if (error instanceof errors.JWTClaimValidationFailed) return CLAIM_FAULTS[error.claim] ?? 'form';
	return error instanceof errors.JOSEError ? 'form' : null;
}

/** Requires a run as the settings describe it. Throws `token_not_allowed` (403). */
function requireRun(payload: JWTPayload, settings: TokenSettings): void {
	const { repositoryId, ref, workflows, environment } = settings;
	const { issues } = v.safeParse(
		v.object(
			{
				repository_id: v.literal(
					repositoryId,
					'It is from another repository than BACKUP_OIDC_REPOSITORY_ID.',
				),
				ref: v.literal(ref, 'Run it on the branch that BACKUP_OIDC_REF names.'),
				event_name: v.picklist(EVENTS, `Start it by one of these events: ${EVENTS.join(', ')}.`),
			},
			'The token does not say in which repository, on which branch and by which event.',
		),
		payload,
	);
	if (issues !== undefined) throw notAllowed(issues[0].message);
	if (workflows.length > 0 && !isNamed(payload, workflows)) {
		throw notAllowed('BACKUP_OIDC_WORKFLOW does not name its workflow.');
	}
	if (environment !== null && payload['environment'] !== environment) {
		throw notAllowed('Run the job in the environment that BACKUP_OIDC_ENVIRONMENT names.');
	}
}

/**
 * Whether a run belongs to named workflows only: its own, and the reusable one, if its job is in such a
 * one. A reusable workflow may be another repository's, and any workflow may call it.
 */
function isNamed({ workflow_ref, job_workflow_ref }: JWTPayload, workflows: string[]): boolean {
	return [workflow_ref, job_workflow_ref ?? workflow_ref].every((one) =>
		workflows.some((workflow) => workflow === one),
	);
}

function notAllowed(hint: string): LifeboatError {
	return new LifeboatError('This workflow run is not allowed to call.', {
		code: 'token_not_allowed',
		status: 403,
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
	return new LifeboatError('The token cannot be checked: its issuer does not provide its keys.', {
		code: 'issuer_unreachable',
		status: 503,
		hint: 'Try again in a minute, with a new token. If that does not help, check BACKUP_OIDC_ISSUER.',
		retryable: true,
		cause,
	});
}
