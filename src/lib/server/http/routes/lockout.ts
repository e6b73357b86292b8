import * as v from 'valibot';
import { liftLockout, MAX_WRONG, readLockout } from '../../access/lockout.ts';
import { accessSettings, lockoutScope } from '../../access/settings.ts';
import { LifeboatError } from '../../errors.ts';
import type { Call } from '../call.ts';
import { readJson } from '../input.ts';
import { apiRoute } from '../route.ts';

const Action = v.strictObject({ action: v.literal('unlock') });

/** How many wrong six-digit codes count, and whether they lock out the right ones. */
export const GET = apiRoute('lockout', async (call) => {
	await call.admit();
	return Response.json(await lockoutOf(call));
});

/**
 * Lifts the lockout, and answers what it was. It takes the long code: somebody who guesses six digits must
 * not get more guesses, and GitHub needs none.
 */
export const POST = apiRoute('lift_lock', async (call) => {
	const caller = await call.admit();
	await readJson(call.request, Action);
	if (!caller.long) throw longCodeNeeded();
	await caller.spend();
	const lockout = await lockoutOf(call);
	const { bucket, ...settings } = accessSettings(call.env);
	await liftLockout(bucket, lockoutScope(settings));
	return Response.json({ success: true, lifted: lockout });
});

/** Without the networks of those who guess: they are for administrators. */
async function lockoutOf(call: Call) {
	const { bucket, ...settings } = accessSettings(call.env);
	const { wrong, lockedUntil } = await readLockout(bucket, lockoutScope(settings), Date.now());
	return {
		wrong: wrong.length,
		maxWrong: MAX_WRONG,
		lockedUntil: lockedUntil === null ? null : new Date(lockedUntil).toISOString(),
	};
}

function longCodeNeeded(): LifeboatError {
	return new LifeboatError('Neither six digits nor a token can lift the lockout.', {
		code: 'long_code_needed',
		status: 403,
		hint: 'Run `npm run unlock`, or send the long code that `node genTotp.js --headers` prints.',
	});
}
