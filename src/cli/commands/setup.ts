import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { parseArgs, styleText } from 'node:util';
import { renderUnicodeCompact } from 'uqr';
import { TOTP } from '../../lib/totp.js';
import { describe } from '../terminal/errors.ts';
import { type Encryption, explainEncryption, setUpEncryption } from '../secrets/encryption.ts';
import { completeEnv, completeWith, parseEnv, type CompletedEnv } from '../secrets/dotenv.ts';
import { explainRotation, rotateSecret } from '../secrets/rotation.ts';

const FILE = '.env';
const EXAMPLE = new URL('../../../.env.example', import.meta.url);

/** Only the owner reads and writes. */
const SECRET_FILE_MODE = 0o600;

/** Light modules around the QR code: ISO/IEC 18004. */
const QUIET_ZONE = 4;

const HELP = `Usage: npm run setup [-- --encrypt [--post-quantum]]
       npm run setup -- --rotate [--leaked]

Writes .env in the current folder, with a new TOTP_SECRET and AUTH_SECRET if they are missing or
empty. Never changes an existing value. Shows the TOTP secret as a QR code.

  --encrypt       encrypt backups: makes an age identity outside the project, in
                  ~/.config/lifeboat, or uses the existing one, and sets BACKUP_AGE_RECIPIENTS to
                  its public key and AGE_IDENTITY_FILE to its path
  --post-quantum  with --encrypt: an identity that withstands quantum computers too; it needs age
                  1.3 or newer
  --rotate        replace TOTP_SECRET with a new one, and say what to do next. The old one moves to
                  TOTP_SECRET_PREVIOUS: its codes stay valid until that is removed
  --leaked        with --rotate: someone else knows the old secret, so it is not kept
  --help          show this
`;

const NEXT = `Next, each with the value in ${FILE}:
  npx wrangler pages secret put TOTP_SECRET    for the deployed app
  npx wrangler pages secret put AUTH_SECRET    for the deployed app
  gh secret set TOTP_SECRET                    for the scheduled backups on GitHub
and the app's address, for the scheduled backups too:
  gh variable set BACKUP_URL --body https://app.example.com

node genTotp.js prints the current code.
`;

const OPTIONS = {
	encrypt: { type: 'boolean', default: false },
	'post-quantum': { type: 'boolean', default: false },
	rotate: { type: 'boolean', default: false },
	leaked: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h' },
} as const;

try {
	await main();
} catch (error) {
	console.error(describe(error));
	process.exitCode = 1;
}

async function main(): Promise<void> {
	const { values } = parseArgs({ options: OPTIONS });
	const { help, encrypt, 'post-quantum': postQuantum, rotate, leaked } = values;
	if (help) return console.log(HELP);
	if (postQuantum && !encrypt) throw new Error('--post-quantum needs --encrypt.');
	if (leaked && !rotate) throw new Error('--leaked needs --rotate.');
	if (rotate && encrypt)
		throw new Error('--rotate and --encrypt need two runs: one after the other.');
	if (rotate) rotateIn(FILE, leaked);
	else await setUp(encrypt, postQuantum);
}

function rotateIn(file: string, leaked: boolean): void {
	const text = rotateSecret(existsSync(file) ? readFileSync(file, 'utf8') : '', leaked);
	writeSecretFile(file, text);
	const old = leaked ? 'The old one was removed' : 'The old one is now TOTP_SECRET_PREVIOUS';
	console.log(`Wrote ${file}, with a new TOTP_SECRET. ${old}.\n`);
	showSecret(parseEnv(text)['TOTP_SECRET'] ?? '');
	console.log(explainRotation(leaked));
}

async function setUp(encrypt: boolean, postQuantum: boolean): Promise<void> {
	const before = existsSync(FILE) ? readFileSync(FILE, 'utf8') : null;
	let env = completeEnv(before, readFileSync(EXAMPLE, 'utf8'));
	const { TOTP_SECRET: secret = '', BACKUP_AGE_RECIPIENTS: recipients = '' } = parseEnv(env.text);
	new TOTP(secret); // throws for an invalid one before anything is written
	const encryption = encrypt ? await setUpEncryption(recipients, postQuantum) : null;
	if (encryption) env = withEncryption(env, encryption);
	if (env.text !== before) writeSecretFile(FILE, env.text);

	console.log(summary(env));
	showSecret(secret);
	console.log(NEXT);
	if (encryption) console.log(explainEncryption(encryption));
}

function showSecret(secret: string): void {
	const uri = keyUri(secret);
	console.log('Scan this with an authenticator app, or enter the address below:\n');
	console.log(`${qrCode(uri)}\n\n${uri}\n`);
}

function withEncryption(env: CompletedEnv, { recipient, file }: Encryption): CompletedEnv {
	const encrypted = completeWith(env, 'BACKUP_AGE_RECIPIENTS', recipient);
	return completeWith(encrypted, 'AGE_IDENTITY_FILE', file);
}

function summary({ made, kept }: CompletedEnv): string {
	const lines = [made.length > 0 ? `Wrote ${FILE}.` : `${FILE} is complete; nothing was changed.`];
	for (const name of made) lines.push(`  ${name}  made`);
	for (const name of kept) lines.push(`  ${name}  kept`);
	return lines.join('\n') + '\n';
}

/**
 * The address that authenticator apps read: Google Authenticator's "Key Uri Format". Several apps
 * ignore algorithm, digits and period, so these are the values that those apps assume.
 */
function keyUri(secret: string): string {
	const symbols = secret.replace(/[\s=-]/g, '').toUpperCase();
	const parameters = `secret=${symbols}&issuer=Lifeboat&algorithm=SHA1&digits=6&period=30`;
	return `otpauth://totp/Lifeboat:backup?${parameters}`;
}

/** Light on dark in every terminal: on a light background the code would be inverted. */
function qrCode(text: string): string {
	const lines = renderUnicodeCompact(text, { border: QUIET_ZONE }).split('\n');
	return lines.map((line) => styleText(['whiteBright', 'bgBlack'], line)).join('\n');
}

/** Replaces the file at once: a reader sees the old text or the new one, never a part. */
function writeSecretFile(path: string, text: string): void {
	const temporary = `${path}.${process.pid}.tmp`;
	try {
		writeFileSync(temporary, text, { mode: SECRET_FILE_MODE, flag: 'wx' });
		renameSync(temporary, path);
	} finally {
		rmSync(temporary, { force: true });
	}
}
