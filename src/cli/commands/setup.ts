import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { programBeside } from '../terminal/run.ts';
import { describe } from '../terminal/errors.ts';
import { withTerminal } from '../terminal/ask.ts';
import { shellWord } from '../terminal/text.ts';
import { parseEnv, readEnvFile, secretsFile } from '../secrets/dotenv.ts';
import { explainMacRotation, rotateMacKey } from '../secrets/mac-rotation.ts';
import { explainRotation, rotateSecret } from '../secrets/rotation.ts';
import { writeSecretFile } from '../secrets/secret-file.ts';
import { exampleSettings, setUp } from '../secrets/set-up.ts';
import { showSecret } from '../secrets/show.ts';

const FILE = secretsFile();
const DEPLOY = programBeside(import.meta.url, 'deploy');

const HELP = `Usage: npm run setup [-- options]
       npm run setup -- --deploy [--yes]
       npm run setup -- --rotate [--leaked]
       npm run setup -- --rotate-mac-key [--leaked]

Writes .env in the current folder, with the secrets that are missing or empty: TOTP_SECRET, AUTH_SECRET
and, in a new installation, BACKUP_MAC_KEY. Makes the identity that opens encrypted backups, outside the
project in ~/.config/lifeboat, or uses the existing one, and turns encryption on once you have a copy of
it. In a new installation it also writes down which backups are kept, as BACKUP_KEEP_DAILY, _WEEKLY and
_MONTHLY. Never changes an existing value. Shows the TOTP secret as a QR code.

On a terminal it asks for what is missing; Enter skips a question. The answers as options:
  --origin URLS      BACKUP_ORIGIN: the app's address, such as https://app.example.com
  --admins NUMBERS   BACKUP_ADMINS: the GitHub accounts of its administrators
  --webhook URL      ALERT_WEBHOOK_URL: where alerts go
  --monitor URL      HEALTHCHECK_PING_URL: the ping URL of a monitor
  --identity-copied  a copy of the identity is stored in a safe place

  --no-encrypt       leave encryption as it is
  --post-quantum     make an identity that withstands quantum computers too; it needs age 1.3 or newer
  --deploy           then take the app to a proven backup on Cloudflare, step by step, as
                     \`npm run deploy\` does; with --yes it does not ask before each step
  --rotate           replace TOTP_SECRET with a new one, and say what to do next. The old one moves to
                     TOTP_SECRET_PREVIOUS: its codes stay valid until that is removed
  --rotate-mac-key   replace BACKUP_MAC_KEY, or let one take over from TOTP_SECRET, and say what to do next.
                     What signed before moves to BACKUP_MAC_KEY_PREVIOUS and verifies older backups only
  --leaked           with either: someone else knows the old secret, so it is not kept
  --help             show this

Exit codes: 0; 1 if something is not valid, or if encryption waits for a copy of the identity.
`;

/** What to do next, with the values in .env. */
function explainNext(identity: string): string {
	const forDrills = `\n  gh secret set AGE_IDENTITY --env lifeboat < ${shellWord(identity)}`;
	return `Next: npm run deploy. Or step by step, as docs/deploy.md explains:
  npm run --silent secrets -- cloudflare | npx wrangler pages secret bulk
  npm run build && npx wrangler pages deploy --branch main
  npx wrangler r2 bucket lock add lifeboat-backups keep-backups full_backup_ --retention-days 97
  npx wrangler r2 bucket lock add lifeboat-backups keep-differentials incremental_backup_ --retention-days 90
  npm run --silent secrets -- github | gh secret set --env lifeboat -f -${identity && forDrills}

The lock rules keep everyone, the app included, from deleting or overwriting backups for 90 days.
node genTotp.js prints the current code; node genTotp.js --headers | curl -H @- URL calls the API.
`;
}

const OPTIONS = {
	encrypt: { type: 'boolean' },
	'post-quantum': { type: 'boolean', default: false },
	'identity-copied': { type: 'boolean', default: false },
	origin: { type: 'string' },
	admins: { type: 'string' },
	webhook: { type: 'string' },
	monitor: { type: 'string' },
	deploy: { type: 'boolean', default: false },
	yes: { type: 'boolean', default: false },
	rotate: { type: 'boolean', default: false },
	'rotate-mac-key': { type: 'boolean', default: false },
	leaked: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

/** What may stand on the command line of a rotation. */
const ROTATION = ['--rotate', '--rotate-mac-key', '--leaked'];

try {
	await main();
} catch (error) {
	console.error(describe(error));
	process.exitCode = 1;
}

async function main(): Promise<void> {
	const { values } = parseArgs({ options: OPTIONS, allowNegative: true });
	const { help, rotate, 'rotate-mac-key': rotateMac, leaked, ...more } = values;
	if (help) return console.log(HELP);
	const rotates = rotate || rotateMac;
	if (leaked && !rotates) throw new Error('--leaked needs --rotate or --rotate-mac-key.');
	const hasOthers = process.argv.slice(2).some((word) => !ROTATION.includes(word));
	if ((rotates && hasOthers) || (rotate && rotateMac)) {
		throw new Error(
			'--rotate, --rotate-mac-key and other options need a run each: one after the other.',
		);
	}
	if (rotate) return rotateIn(FILE, leaked);
	if (rotateMac) return rotateMacIn(FILE, leaked);
	const {
		encrypt,
		'post-quantum': postQuantum,
		'identity-copied': identityCopied,
		deploy,
		yes,
		...answers
	} = more;
	if (postQuantum && encrypt === false) throw new Error('Either --post-quantum or --no-encrypt.');
	if (yes && !deploy) throw new Error('--yes needs --deploy.');
	const request = { encrypt, postQuantum, identityCopied, answers };
	const isComplete = await withTerminal((ask) => setUp(FILE, exampleSettings(), request, ask));
	if (!isComplete) process.exitCode = 1;
	else if (deploy) startDeployment({ yes, encrypt });
	else console.log(explainNext(readEnvFile()['AGE_IDENTITY_FILE']?.trim() ?? ''));
}

/** Goes on as `npm run deploy`, on the same terminal. */
function startDeployment({ yes, encrypt }: { yes: boolean; encrypt: boolean | undefined }): void {
	const options = [...(yes ? ['--yes'] : []), ...(encrypt === false ? ['--no-encrypt'] : [])];
	const { status } = spawnSync(process.execPath, [DEPLOY, ...options], { stdio: 'inherit' });
	process.exitCode = status ?? 1;
}

function rotateIn(file: string, leaked: boolean): void {
	const text = rotateSecret(existsSync(file) ? readFileSync(file, 'utf8') : '', leaked);
	writeSecretFile(file, text);
	const old = leaked ? 'The old one was removed' : 'The old one is now TOTP_SECRET_PREVIOUS';
	console.log(`Wrote ${file}, with a new TOTP_SECRET. ${old}.\n`);
	showSecret(parseEnv(text)['TOTP_SECRET'] ?? '');
	console.log(explainRotation(leaked));
}

function rotateMacIn(file: string, leaked: boolean): void {
	const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
	writeSecretFile(file, rotateMacKey(text, leaked, Date.now()));
	const old = leaked ? 'The old one was removed' : 'What signed before is BACKUP_MAC_KEY_PREVIOUS';
	console.log(`Wrote ${file}, with a new BACKUP_MAC_KEY. ${old}.\n`);
	console.log(explainMacRotation(leaked));
}
