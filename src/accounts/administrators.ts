import { database } from '$lib/server/environment';
import type { AppEnvironment } from './settings';
import { LifeboatError } from '../lib/server/errors.ts';
import { githubAccountId } from './users.ts';

/**
 * Whether a user signs in with a GitHub account of BACKUP_ADMINS: asked on every request, so that who
 * is taken off the list is out at once. Throws `backup_admins_invalid` (500).
 */
export async function isAdministrator(
	env: AppEnvironment | undefined,
	userId: string,
): Promise<boolean> {
	const ids = administrators(env);
	if (ids.length === 0) return false;
	const id = await githubAccountId(database(env), userId);
	return id !== null && ids.includes(id);
}

/** Throws `not_administrator` (403) for anybody else, and as {@link isAdministrator} does. */
export async function requireAdministrator(
	env: AppEnvironment | undefined,
	userId: string,
): Promise<void> {
	if (await isAdministrator(env, userId)) return;
	throw new LifeboatError('This page is for administrators.', {
		code: 'not_administrator',
		status: 403,
		hint: 'Add the GitHub account id that your profile shows to the setting BACKUP_ADMINS.',
	});
}

function administrators(env: AppEnvironment | undefined): string[] {
	const ids = env?.BACKUP_ADMINS?.split(/[\s,]+/).filter((id) => id !== '') ?? [];
	const wrong = ids.findIndex((id) => !/^\d+$/.test(id)) + 1;
	if (wrong === 0) return ids;
	throw new LifeboatError(`Entry ${wrong} in BACKUP_ADMINS is no account id.`, {
		code: 'backup_admins_invalid',
		status: 500,
		hint: 'Set it to numeric ids of GitHub accounts: `gh api user --jq .id` prints yours. Names can change hands.',
	});
}
