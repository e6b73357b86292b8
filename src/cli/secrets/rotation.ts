import { LifeboatError } from '../../lib/server/errors.ts';
import { TOTP } from '../../lib/totp.js';
import { completeWith, newTotpSecret, parseEnv, withOtherValue } from './dotenv.ts';

/**
 * The text of a `.env` file with a new TOTP_SECRET. The old one moves to TOTP_SECRET_PREVIOUS, so that
 * its codes stay valid for now, unless it is `leaked`: then it is dropped. All other lines stay.
 *
 * Throws TotpError if the secret to replace is missing or not valid, and `rotation_running` (409).
 */
export function rotateSecret(text: string, leaked: boolean): string {
	const { TOTP_SECRET: old = '', TOTP_SECRET_PREVIOUS: previous = '' } = parseEnv(text);
	new TOTP(old);
	if (previous.trim() !== '') throw rotationRunning();
	const rotated = withOtherValue(text, 'TOTP_SECRET', newTotpSecret());
	if (leaked) return rotated;
	return completeWith({ text: rotated, made: [], kept: [] }, 'TOTP_SECRET_PREVIOUS', old.trim())
		.text;
}

/** What the user must do once the secret has changed, in numbered steps. */
export function explainRotation(leaked: boolean): string {
	return [...(leaked ? LEAKED : KEPT), OLD_DEPLOYMENTS]
		.map((step, index) => `${index + 1}. ${step.replaceAll('\n', '\n   ')}\n`)
		.join('\n');
}

const DEPLOY = `npm run build && npx wrangler pages deploy --branch main`;

const CHECK = `Check with a code of the new secret:
  node genTotp.js --headers | curl -sS -i -H @- https://app.example.com/api/backup`;

const BACK_UP = `gh workflow run backup.yml`;

const KEPT = [
	`Give the app both secrets, with the values in .env:
  npx wrangler pages secret put TOTP_SECRET
  npx wrangler pages secret put TOTP_SECRET_PREVIOUS
  ${DEPLOY}
From then on it accepts codes of either.`,
	`Give both to GitHub, which makes codes with the first and verifies older backups with the second:
  gh secret set TOTP_SECRET --env lifeboat
  gh secret set TOTP_SECRET_PREVIOUS --env lifeboat`,
	`${CHECK}
The answer must begin with "HTTP/2 200" and have no line X-Backup-Warning that names TOTP_SECRET_PREVIOUS,
which would mean that the code is one of the old secret. \`npm run journal\` shows who still uses that.`,
	`Make a backup, signed with the new secret:
  ${BACK_UP}`,
	`Once every phone, machine and script has the new secret, retire the old one: clear TOTP_SECRET_PREVIOUS
in .env, and
  npx wrangler pages secret delete TOTP_SECRET_PREVIOUS
  gh secret delete TOTP_SECRET_PREVIOUS --env lifeboat
  ${DEPLOY}
But keep the old secret in a safe place for as long as you have backups signed with it: to restore or
drill one of those, set TOTP_SECRET_PREVIOUS to it again. If BACKUP_MAC_KEY signs your backups, you do
not need it.`,
];

const LEAKED = [
	`Give the app the new secret now, and remove the old one:
  npx wrangler pages secret put TOTP_SECRET
  npx wrangler pages secret delete TOTP_SECRET_PREVIOUS     (if it is set)
  ${DEPLOY}`,
	`Give it to GitHub:
  gh secret set TOTP_SECRET --env lifeboat
  gh secret delete TOTP_SECRET_PREVIOUS --env lifeboat     (if it is set)`,
	`${CHECK}
The answer must begin with "HTTP/2 200". \`npm run journal\` shows what others did with the old one.`,
	`Make a backup, signed with the new secret:
  ${BACK_UP}
Anyone who knows the old secret can sign with it. So older backups now count as forged, unless
BACKUP_MAC_KEY signed them: to restore one that you are sure is yours, give --unsigned.`,
];

const OLD_DEPLOYMENTS = `Delete the older deployments: each has an address of its own, where the old secret is still valid:
  npx wrangler pages deployment list
  npx wrangler pages deployment delete DEPLOYMENT_ID`;

function rotationRunning(): LifeboatError {
	return new LifeboatError(
		'TOTP_SECRET_PREVIOUS in .env is set: a rotation is not finished. Nothing was changed.',
		{
			code: 'rotation_running',
			status: 409,
			hint: 'When every caller has the new TOTP_SECRET, save the previous one in a safe place, for the backups signed with it, clear TOTP_SECRET_PREVIOUS in .env, and run this again.',
		},
	);
}
