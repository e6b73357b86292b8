import { database, invalidSetting, list } from '$lib/server/environment';
import { LifeboatError } from '$lib/server/errors';
import type { AppEnvironment } from './settings';
import { githubAccountId } from './users';

/**
 * Whether a user signs in with a GitHub account in BACKUP_ADMINS. Checked on every request, so that
 * removing an account takes effect at once. Throws `backup_admins_invalid` (500).
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

/** Throws `not_administrator` (403) for anybody else, and what {@link isAdministrator} throws. */
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
	const ids = list(env, 'BACKUP_ADMINS');
	const wrong = ids.findIndex((id) => !/^\d+$/.test(id)) + 1;
	if (wrong === 0) return ids;
	throw invalidSetting(
		'BACKUP_ADMINS',
		'Set it to numeric ids of GitHub accounts, since names can change hands: `gh api user --jq .id` prints yours.',
		`Entry ${wrong} in BACKUP_ADMINS is not an account id.`,
	);
}
