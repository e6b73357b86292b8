import { LifeboatError } from '../../lib/server/errors.ts';
import { TOTP } from '../../lib/totp.js';
import { completeWith, newTotpSecret, parseEnv, withOtherValue } from './dotenv.ts';

/**
 * The text of a `.env` file with a new TOTP_SECRET. The old one moves to TOTP_SECRET_PREVIOUS, so that
 * its codes are good for a while longer, unless it is `leaked`: then it is gone. All other lines stay.
 *
 * Throws TotpError where there is no good secret to replace, `rotation_running` (409).
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

/** What there is to do once the secret is another, for people. */
export function explainRotation(leaked: boolean): string {
	return [...(leaked ? LEAKED : KEPT), OLD_DEPLOYMENTS]
		.map((step, index) => `${index + 1}. ${step.replaceAll('\n', '\n   ')}\n`)
		.join('\n');
}

const DEPLOY = `npm run build && npx wrangler pages deploy --branch main`;

const CHECK = `Check with a code of the new secret:
  curl -sS -i -H "Authorization: Bearer $(node genTotp.js)" https://app.example.com/api/backup`;

const BACK_UP = `gh workflow run backup.yml`;

const KEPT = [
	`Give the app both secrets, with the values that stand in .env:
  npx wrangler pages secret put TOTP_SECRET
  npx wrangler pages secret put TOTP_SECRET_PREVIOUS
  ${DEPLOY}
From then on it takes codes of either.`,
	`Give both to GitHub, which makes codes of the first and checks older backups with the second:
  gh secret set TOTP_SECRET
  gh secret set TOTP_SECRET_PREVIOUS`,
	`${CHECK}
The answer has to begin with "HTTP/2 200" and to have no line X-Backup-Warning: that one says that the
code is of the old secret. \`npm run journal\` shows who still uses it.`,
	`Make a backup, which the new secret signs:
  ${BACK_UP}`,
	`Once every phone, machine and script has the new secret, end it: empty TOTP_SECRET_PREVIOUS in .env, and
  npx wrangler pages secret delete TOTP_SECRET_PREVIOUS
  gh secret delete TOTP_SECRET_PREVIOUS
  ${DEPLOY}
But keep the old secret in a safe place for as long as you have backups that it has signed: to restore or
drill one of those, TOTP_SECRET_PREVIOUS has to be set to it again. Where BACKUP_MAC_KEY signs, it is not
needed.`,
];

const LEAKED = [
	`Give the app the new secret at once, and nothing of the old one:
  npx wrangler pages secret put TOTP_SECRET
  npx wrangler pages secret delete TOTP_SECRET_PREVIOUS     (where it is set)
  ${DEPLOY}`,
	`Give it to GitHub:
  gh secret set TOTP_SECRET
  gh secret delete TOTP_SECRET_PREVIOUS     (where it is set)`,
	`${CHECK}
The answer has to begin with "HTTP/2 200". See with \`npm run journal\` what the others have done.`,
	`Make a backup, which the new secret signs:
  ${BACK_UP}
Whoever knows the old secret can sign with it. So backups from before count as forged now, unless
BACKUP_MAC_KEY has signed them: to restore one that you know for your own takes --unsigned.`,
];

const OLD_DEPLOYMENTS = `Delete the older deployments: each has an address of its own, where the old secret is still good:
  npx wrangler pages deployment list
  npx wrangler pages deployment delete DEPLOYMENT_ID`;

function rotationRunning(): LifeboatError {
	return new LifeboatError(
		'TOTP_SECRET_PREVIOUS in .env is set: a rotation is not over yet. Nothing was changed.',
		{
			code: 'rotation_running',
			status: 409,
			hint: 'When every caller has the new TOTP_SECRET, keep the previous one in a safe place, for the backups that it has signed, empty TOTP_SECRET_PREVIOUS in .env, and run this again.',
		},
	);
}
