import { address, choice, type Environment, invalidSetting, list, text } from '../environment.ts';

const GITHUB_ISSUER = 'https://token.actions.githubusercontent.com';
const DEFAULT_REF = 'refs/heads/main';

/** As in the claims `workflow_ref` and `job_workflow_ref`; a reusable workflow may be at a tag or commit. */
const WORKFLOW = /^[\w.-]+\/[\w.-]+\/\.github\/workflows\/[^/@]+\.ya?ml@.+$/;

const HINTS = {
	BACKUP_OIDC_REPOSITORY_ID: 'Set it to the number that `gh api repos/OWNER/NAME --jq .id` prints.',
	BACKUP_OIDC_AUDIENCE:
		"Set it to the app's origin, such as https://app.example.com, without a slash at the end; http is for localhost only.",
	BACKUP_OIDC_REF: 'Set it to a branch, such as refs/heads/main.',
	BACKUP_OIDC_WORKFLOW:
		'Set it to workflows, separated by spaces, such as OWNER/NAME/.github/workflows/backup.yml@refs/heads/main.',
	BACKUP_OIDC_ISSUER: `Remove it to use ${GITHUB_ISSUER}, or set it to an https address without a slash at the end; http is for localhost only.`,
};

/** The workflow whose tokens are accepted instead of a code. */
export interface TokenSettings {
	/** GitHub's id of the repository: a name can be given up and taken by somebody else. */
	repositoryId: string;
	/** The origin of the app, so that a token for another service is useless here. */
	audience: string;
	/** The branch, `refs/heads/main`. */
	ref: string;
	/** The workflows that may call, `OWNER/NAME/.github/workflows/FILE@REF`; empty for any of the branch. */
	workflows: string[];
	/** The environment that their job must run in; null for any, or none. */
	environment: string | null;
	/** Whether they may fetch the files of backups. */
	mayFetch: boolean;
	issuer: string;
}

/**
 * The settings of tokens; null if none are accepted.
 *
 * Throws LifeboatError (500): `backup_oidc_repository_id_invalid`, `backup_oidc_audience_invalid`,
 * `backup_oidc_ref_invalid`, `backup_oidc_workflow_invalid`, `backup_oidc_fetch_invalid`,
 * `backup_oidc_issuer_invalid`.
 */
export function tokenSettings(env: Environment | undefined): TokenSettings | null {
	const repositoryId = text(env, 'BACKUP_OIDC_REPOSITORY_ID') ?? '';
	if (repositoryId === '' && text(env, 'BACKUP_OIDC_AUDIENCE') === null) return null;
	const ref = text(env, 'BACKUP_OIDC_REF') ?? DEFAULT_REF;
	if (!/^[1-9]\d*$/.test(repositoryId)) throw refused('BACKUP_OIDC_REPOSITORY_ID');
	const audience = baseAddress(env, 'BACKUP_OIDC_AUDIENCE') ?? '';
	if (audience === '' || new URL(audience).origin !== audience) {
		throw refused('BACKUP_OIDC_AUDIENCE');
	}
	if (!/^refs\/heads\/\S+$/.test(ref)) throw refused('BACKUP_OIDC_REF');
	const workflows = list(env, 'BACKUP_OIDC_WORKFLOW');
	if (!workflows.every((workflow) => WORKFLOW.test(workflow))) {
		throw refused('BACKUP_OIDC_WORKFLOW');
	}
	return {
		...{ repositoryId, audience, ref, workflows },
		environment: text(env, 'BACKUP_OIDC_ENVIRONMENT'),
		mayFetch: choice(env, 'BACKUP_OIDC_FETCH', ['no', 'yes']) === 'yes',
		issuer: baseAddress(env, 'BACKUP_OIDC_ISSUER') ?? GITHUB_ISSUER,
	};
}

/** An address that is only origin and path, without a slash at the end; null if it is not set. */
function baseAddress(
	env: Environment | undefined,
	name: 'BACKUP_OIDC_AUDIENCE' | 'BACKUP_OIDC_ISSUER',
): string | null {
	const url = address(env, name, HINTS[name]);
	if (url === null) return null;
	const base = `${url.origin}${url.pathname}`.replace(/\/$/, '');
	if (base === text(env, name)) return base;
	throw refused(name);
}

function refused(name: keyof typeof HINTS) {
	return invalidSetting(name, HINTS[name], `The setting ${name} is missing or not valid.`);
}
