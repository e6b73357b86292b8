import type { RequestEvent } from '@sveltejs/kit';
import { LifeboatError, type Person } from '$lib';
import { beganAt, signedIn } from './session';
import { type AppEnvironment, database } from './settings';
import { linkedAccounts } from './users';

/**
 * The numeric id of the GitHub account of an administrator: a user all of whose accounts are GitHub
 * accounts in BACKUP_ADMINS. Null for anybody else, also for one who has a further account: a thief may
 * have added that. Checked on every request, so that removing an account takes effect at once. Throws
 * `backup_admins_invalid` (500).
 */
export async function administratorId(
	env: AppEnvironment | undefined,
	userId: string,
): Promise<string | null> {
	const ids = administrators(env);
	if (ids.length === 0) return null;
	const accounts = await linkedAccounts(database(env), userId);
	const isListed = accounts.every(
		({ provider, providerAccountId }) => provider === 'github' && ids.includes(providerAccountId),
	);
	return isListed ? (accounts[0]?.providerAccountId ?? null) : null;
}

/**
 * The {@link administratorId} of a user. Throws `not_administrator` (403) for anybody else, and
 * `backup_admins_invalid` (500).
 */
export async function requireAdministrator(
	env: AppEnvironment | undefined,
	userId: string,
): Promise<string> {
	const id = await administratorId(env, userId);
	if (id !== null) return id;
	throw new LifeboatError('This page is for administrators.', {
		code: 'not_administrator',
		status: 403,
		hint: 'Add the GitHub account id that your profile shows to the setting BACKUP_ADMINS. If it shows several, see docs/security.md.',
	});
}

/**
 * Whom the dashboard lets in: administrators. Throws what {@link requireAdministrator} throws, and redirects to
 * the home page if nobody is signed in.
 */
export async function authorize({ locals, platform }: RequestEvent): Promise<Person> {
	const session = signedIn(await locals.auth());
	const account = await requireAdministrator(platform?.env, session.user.id);
	return { account, name: session.user.name ?? account, since: beganAt(session) };
}

function administrators(env: AppEnvironment | undefined): string[] {
	const ids = env?.BACKUP_ADMINS?.split(/[\s,]+/).filter((id) => id !== '') ?? [];
	const wrong = ids.findIndex((id) => !/^\d+$/.test(id)) + 1;
	if (wrong === 0) return ids;
	throw new LifeboatError(`Entry ${wrong} in BACKUP_ADMINS is not an account id.`, {
		code: 'backup_admins_invalid',
		status: 500,
		hint: 'Set it to numeric ids of GitHub accounts, since names can change hands: `gh api user --jq .id` prints yours.',
	});
}
