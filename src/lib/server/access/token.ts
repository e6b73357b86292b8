import { createHash } from 'node:crypto';
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import * as v from 'valibot';
import type { Environment } from '../config.ts';
import { LifeboatError } from '../errors.ts';
import type { OneTime } from './once.ts';

const GITHUB = 'https://token.actions.githubusercontent.com';
const USUAL_REF = 'refs/heads/main';
/** How the workflows of this project are begun. */
const EVENTS = ['schedule', 'workflow_dispatch', 'workflow_run'];
/** GitHub's are good for some minutes (GitHub: OpenID Connect reference). */
const MAX_AGE_SECONDS = 15 * 60;
/** Clocks differ. */
const TOLERANCE_SECONDS = 10;
/** Characters: GitHub's have about 2,000. */
const MAX_LENGTH = 8192;
/** How the issuer's keys are fetched: not at every call, and not for long. */
const KEYS = { cooldownDuration: 5_000, cacheMaxAge: 10 * 60_000, timeoutDuration: 5_000 };

/** Whose tokens are taken. */
export interface TokenSettings {
	/** Origin that has issued them. */
	issuer: string;
	/** Origin of the app, which they are for. */
	audience: string;
	/** Numeric id of the repository, which nobody can take over as a name can be. */
	repositoryId: string;
	/** The branch whose workflow asks: `refs/heads/main`. */
	ref: string;
}

/** Kept for as long as the isolate lives, and with them the keys. */
const keySets = new Map<string, ReturnType<typeof createRemoteJWKSet>>();

/**
 * The settings of tokens; null where none are taken. Throws LifeboatError (500):
 * `backup_oidc_repository_id_invalid`, `backup_oidc_audience_invalid`, `backup_oidc_issuer_invalid`,
 * `backup_oidc_ref_invalid`.
 */
export function tokenSettings(env: Environment | undefined): TokenSettings | null {
	const repositoryId = env?.BACKUP_OIDC_REPOSITORY_ID?.trim();
	const audience = env?.BACKUP_OIDC_AUDIENCE?.trim().replace(/\/$/, '');
	if (!repositoryId && !audience) return null;
	const ref = env?.BACKUP_OIDC_REF?.trim() || USUAL_REF;
	const issuer = env?.BACKUP_OIDC_ISSUER?.trim().replace(/\/$/, '') || GITHUB;
	if (!/^\d+$/.test(repositoryId ?? '')) throw badRepositoryId();
	if (!isSafe(audience) || new URL(audience ?? '').origin !== audience) throw badAudience();
	if (!isSafe(issuer)) throw badIssuer();
	if (!/^refs\/[\w./-]+$/.test(ref)) throw badRef();
	return { issuer, audience, repositoryId: repositoryId ?? '', ref };
}

/** Whether a text has the form of a token, as no code has. */
export function looksLikeToken(text: string): boolean {
	return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text);
}

/**
 * Checks a token of GitHub Actions (OpenID Connect Core 1.0, section 3.1.3.7): who has signed it, for whom
 * and when, and that it is of a workflow of this repository, of this branch and of a kind that makes or
 * drills backups. Returns what it can be used up by: it is good for one call.
 *
 * Throws `token_invalid` (401), `token_not_allowed` (403), and `issuer_unreachable` (503) where the keys
 * of the issuer cannot be had.
 */
export async function checkToken(
	token: string,
	settings: TokenSettings,
	now: number,
): Promise<OneTime> {
	if (token.length > MAX_LENGTH) throw invalid('It is too long.');
	const { jti, exp, ...claims } = await verified(token, settings, now);
	// An audience in a list may have others beside, for which the token is as good.
	if (claims.aud !== settings.audience) throw invalid('It is for others as well.');
	requireClaim(claims['repository_id'] === settings.repositoryId, 'the repository');
	requireClaim(claims['ref'] === settings.ref, 'the branch');
	requireClaim(EVENTS.includes(String(claims['event_name'])), 'the event');
	const id = createHash('sha256').update(`${settings.issuer} ${jti}`).digest('hex');
	return { id: `token-${id}`, until: (exp + TOLERANCE_SECONDS) * 1000 };
}

const Times = v.looseObject({ jti: v.pipe(v.string(), v.minLength(1)), exp: v.number() });

async function verified(token: string, { issuer, audience }: TokenSettings, now: number) {
	const options = {
		...{ issuer, audience, algorithms: ['RS256'] },
		...{ requiredClaims: ['exp', 'iat', 'nbf', 'jti'], maxTokenAge: MAX_AGE_SECONDS },
		...{ clockTolerance: TOLERANCE_SECONDS, currentDate: new Date(now) },
	};
	let payload: JWTPayload;
	try {
		({ payload } = await jwtVerify(token, keysOf(issuer), options));
	} catch (error) {
		throw refusal(error);
	}
	const { success, output } = v.safeParse(Times, payload);
	if (!success) throw invalid('Its claim "jti" or "exp" is not right.');
	return output as JWTPayload & v.InferOutput<typeof Times>;
}

function keysOf(issuer: string): ReturnType<typeof createRemoteJWKSet> {
	const known = keySets.get(issuer);
	if (known) return known;
	const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks`), KEYS);
	keySets.set(issuer, keys);
	return keys;
}

/** What jose says, in our words: its own may repeat what the caller has sent. */
function refusal(error: unknown): LifeboatError {
	if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired) {
		return invalid(`Its claim "${error.claim}" is not right.`);
	}
	if (error instanceof errors.JOSEAlgNotAllowed) return invalid('It is not signed with RS256.');
	if (error instanceof errors.JWKSNoMatchingKey) return invalid('Nobody known has signed it.');
	if (error instanceof errors.JWSSignatureVerificationFailed) return invalid('It was altered.');
	if (isAboutKeys(error)) return unreachable(error);
	if (error instanceof errors.JOSEError) return invalid('It is no token that can be read.');
	return unreachable(error);
}

/** The issuer was slow, said no, or sent what are no keys. */
function isAboutKeys(error: unknown): boolean {
	return (
		error instanceof errors.JWKSTimeout ||
		error instanceof errors.JWKSInvalid ||
		// jose throws its most general error for an answer that is not 200, or no JSON.
		(error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC')
	);
}

function requireClaim(isRight: boolean, what: string): void {
	if (isRight) return;
	throw new LifeboatError('The token is not of a workflow that may call.', {
		code: 'token_not_allowed',
		status: 403,
		hint: `Compare ${what} of the workflow run with the app's BACKUP_OIDC_ settings.`,
	});
}

function invalid(reason: string): LifeboatError {
	return new LifeboatError(`The token is not valid. ${reason}`, {
		code: 'token_invalid',
		status: 401,
		hint: "Ask GitHub for a new one, for the app's BACKUP_OIDC_AUDIENCE, and use it at once.",
	});
}

function unreachable(cause: unknown): LifeboatError {
	return new LifeboatError('The keys that tokens are signed with cannot be fetched.', {
		code: 'issuer_unreachable',
		status: 503,
		hint: 'Try again in a minute, or call with a code.',
		retryable: true,
		retryAfter: 60,
		cause,
	});
}

/** Whether a text is an address that nobody on the way can change. */
function isSafe(text: string | undefined): text is string {
	if (!text || !URL.canParse(text)) return false;
	const { protocol, hostname } = new URL(text);
	return protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}

function badRepositoryId(): LifeboatError {
	return new LifeboatError('The setting BACKUP_OIDC_REPOSITORY_ID is no id of a repository.', {
		code: 'backup_oidc_repository_id_invalid',
		status: 500,
		hint: 'Set it to what `gh api repos/OWNER/NAME --jq .id` prints, or leave out BACKUP_OIDC_AUDIENCE too.',
	});
}

function badAudience(): LifeboatError {
	return new LifeboatError('The setting BACKUP_OIDC_AUDIENCE is no origin.', {
		code: 'backup_oidc_audience_invalid',
		status: 500,
		hint: 'Set it to the address of the app, as in https://app.example.com, here and for the workflow.',
	});
}

function badIssuer(): LifeboatError {
	return new LifeboatError('The setting BACKUP_OIDC_ISSUER is no https address.', {
		code: 'backup_oidc_issuer_invalid',
		status: 500,
		hint: `Leave it out for ${GITHUB}.`,
	});
}

function badRef(): LifeboatError {
	return new LifeboatError('The setting BACKUP_OIDC_REF is no branch.', {
		code: 'backup_oidc_ref_invalid',
		status: 500,
		hint: `Write it as in ${USUAL_REF}, or leave it out.`,
	});
}
