import { randomBytes } from 'node:crypto';
import { LifeboatError } from '../../lib/server/errors.ts';
import { completeWith, parseEnv, withOtherValue } from './dotenv.ts';

/** How long the old key still counts for new backups: until the app is deployed with the new one. */
const DEPLOY_MS = 24 * 3_600_000;

/**
 * The text of a `.env` file with a new BACKUP_MAC_KEY. What signed before, the old key or else
 * TOTP_SECRET, moves to BACKUP_MAC_KEY_PREVIOUS, which ends a day from `now`, in milliseconds since
 * 1970. If the old key is `leaked`, it is dropped instead. All other lines stay.
 *
 * Throws `totp_secret_missing` (409) if nothing has signed yet, and `rotation_running` (409).
 */
export function rotateMacKey(text: string, leaked: boolean, now: number): string {
	const {
		TOTP_SECRET: totpSecret = '',
		BACKUP_MAC_KEY: macKey = '',
		BACKUP_MAC_KEY_PREVIOUS: previous = '',
	} = parseEnv(text);
	const old = macKey.trim() || totpSecret.trim();
	if (old === '') throw nothingSigned();
	const rotated = withSetting(text, 'BACKUP_MAC_KEY', randomBytes(32).toString('hex'));
	if (leaked) return rotated;
	if (previous.trim() !== '') throw rotationRunning();
	const until = new Date(now + DEPLOY_MS).toISOString();
	const kept = withSetting(rotated, 'BACKUP_MAC_KEY_PREVIOUS', old);
	return withSetting(kept, 'BACKUP_MAC_KEY_PREVIOUS_UNTIL', until);
}

/** What the user must do once the key has changed, in numbered steps. */
export function explainMacRotation(leaked: boolean): string {
	return (leaked ? LEAKED : KEPT)
		.map((step, index) => `${index + 1}. ${step.replaceAll('\n', '\n   ')}\n`)
		.join('\n');
}

const DEPLOY = `npm run build && npx wrangler pages deploy --branch main`;

const BACK_UP = `Make a backup, signed with the new key:
  gh workflow run backup.yml`;

const KEPT = [
	`Within a day, give the app all three, with the values in .env:
  npx wrangler pages secret put BACKUP_MAC_KEY
  npx wrangler pages secret put BACKUP_MAC_KEY_PREVIOUS
  npx wrangler pages secret put BACKUP_MAC_KEY_PREVIOUS_UNTIL
  ${DEPLOY}
A backup in several steps that is under way then has to be started again.`,
	`Give them to GitHub, which verifies backups with them:
  gh secret set BACKUP_MAC_KEY --env lifeboat
  gh secret set BACKUP_MAC_KEY_PREVIOUS --env lifeboat
  gh secret set BACKUP_MAC_KEY_PREVIOUS_UNTIL --env lifeboat`,
	BACK_UP,
	`Keep the two settings of the previous key as long as you have backups that it signed: it verifies
those that started before BACKUP_MAC_KEY_PREVIOUS_UNTIL, and nothing newer. Then remove both everywhere.`,
];

const LEAKED = [
	`Give the app the new key now:
  npx wrangler pages secret put BACKUP_MAC_KEY
  ${DEPLOY}`,
	`Give it to GitHub:
  gh secret set BACKUP_MAC_KEY --env lifeboat`,
	`${BACK_UP}
Anyone who knows the old key can sign with it. So older backups and their proofs now count as forged: to
restore one that you are sure is yours, give --unsigned.`,
];

/** A text in which a setting has this value, whether it had one or not. */
function withSetting(text: string, name: string, value: string): string {
	const changed = withOtherValue(text, name, value);
	return completeWith({ text: changed, made: [], kept: [] }, name, value).text;
}

function nothingSigned(): LifeboatError {
	return new LifeboatError('There is no TOTP_SECRET in .env yet. Nothing was changed.', {
		code: 'totp_secret_missing',
		status: 409,
		hint: 'Run `npm run setup` first, in the folder of the app.',
	});
}

function rotationRunning(): LifeboatError {
	return new LifeboatError(
		'BACKUP_MAC_KEY_PREVIOUS in .env is set, and there is room for one previous key. Nothing was changed.',
		{
			code: 'rotation_running',
			status: 409,
			hint: 'Save it in a safe place, for the backups that it signed, clear it in .env, and run this again. To restore one of those backups later, give it as BACKUP_MAC_KEY_PREVIOUS to that command alone.',
		},
	);
}
