import { existsSync, readFileSync } from 'node:fs';
import { TOTP } from '../../lib/totp.js';
import type { Ask } from '../terminal/ask.ts';
import { type Answers, withAnswers, withAsked } from './answers.ts';
import { type CompletedEnv, completeEnv, completeWith, parseEnv } from './dotenv.ts';
import {
	confirmCopy,
	type Encryption,
	explainEncryption,
	explainMissingCopy,
	setUpEncryption,
} from './encryption.ts';
import { explainPolicy, withPolicy } from './policy.ts';
import { writeSecretFile } from './secret-file.ts';
import { showSecret } from './show.ts';

const EXAMPLE = new URL('../../../.env.example', import.meta.url);

/** What a set-up is to do. */
export interface Request {
	/** By default only if there are no recipients yet. */
	encrypt: boolean | undefined;
	postQuantum: boolean;
	identityCopied: boolean;
	answers: Answers;
}

/** Settings of this repository's app, which another app has no use for or has its own value of. */
const OWN = /^(AUTH_SECRET|GITHUB_\w+|BACKUP_ADMINS)=/m;

/**
 * The text of `.env.example`: every setting, with what it does. `isPackage` leaves out what only this
 * repository's app reads; by default it is so in the folder of an app that has Lifeboat as a package.
 */
export function exampleSettings(isPackage = hasPackage()): string {
	const text = readFileSync(EXAMPLE, 'utf8');
	if (!isPackage) return text;
	const blocks = text.split('\n\n').filter((block) => !OWN.test(block));
	return blocks.join('\n\n').replaceAll(/npm run (\w+)( --(?= ))?/g, 'npx lifeboat $1');
}

/**
 * The settings of a file with those that are made and those that the request gives; nothing is written.
 * Throws TotpError for a TOTP_SECRET that is not valid, and the errors of {@link withPolicy} and
 * {@link withAnswers}.
 */
export function settled(file: string, example: string, { answers }: Pick<Request, 'answers'>) {
	const before = existsSync(file) ? readFileSync(file, 'utf8') : null;
	const env = withPolicy(completeEnv(before, example));
	const { TOTP_SECRET: secret = '' } = parseEnv(env.text);
	new TOTP(secret); // throws for an invalid one before anything is written
	return { before, secret, env: withAnswers(env, answers) };
}

/**
 * Completes the settings in `file`, with the settings that `example` names: makes secrets, asks for what only
 * the person knows, and turns encryption on once there is a copy of the identity. Prints what it did.
 * Returns false if encryption waits for a copy.
 *
 * Throws without a change the errors of {@link settled} and {@link setUpEncryption}.
 */
export async function setUp(
	file: string,
	example: string,
	request: Request,
	ask: Ask | null,
): Promise<boolean> {
	const start = settled(file, example, request);
	let { env } = start;
	const recipients = parseEnv(env.text)['BACKUP_AGE_RECIPIENTS'] ?? '';
	let isEncrypted = recipients.trim() !== '';
	const encryption =
		(request.encrypt ?? (request.postQuantum || !isEncrypted))
			? await setUpEncryption(recipients, request.postQuantum)
			: null;
	if (ask) env = await withAsked(env, Object.keys(parseEnv(example)), ask);
	env = withAddress(env);
	if (encryption) {
		isEncrypted ||= await confirmCopy(encryption, request.identityCopied, ask);
		env = withEncryption(env, encryption, isEncrypted);
	}
	if (env.text !== start.before) writeSecretFile(file, env.text);

	console.log(summary(file, env) + explainPolicy(env));
	showSecret(start.secret);
	const isWaiting = encryption !== null && !isEncrypted;
	if (isWaiting) console.error(explainMissingCopy(encryption.file));
	else if (encryption) console.log(explainEncryption(encryption));
	return !isWaiting;
}

/** Whether the app in the current folder has Lifeboat as a package. */
function hasPackage(): boolean {
	if (!existsSync('package.json')) return false;
	const { dependencies = {}, devDependencies = {} } = JSON.parse(
		readFileSync('package.json', 'utf8'),
	) as Record<string, Record<string, string>>;
	return 'lifeboat' in dependencies || 'lifeboat' in devDependencies;
}

/** The commands call the app at the first of its addresses. */
function withAddress(env: CompletedEnv): CompletedEnv {
	const [origin] = parseEnv(env.text)['BACKUP_ORIGIN']?.split(' ') ?? [];
	return origin ? completeWith(env, 'BACKUP_URL', origin) : env;
}

function withEncryption(
	env: CompletedEnv,
	{ recipient, file }: Encryption,
	isEncrypted: boolean,
): CompletedEnv {
	const found = completeWith(env, 'AGE_IDENTITY_FILE', file);
	return isEncrypted ? completeWith(found, 'BACKUP_AGE_RECIPIENTS', recipient) : found;
}

function summary(file: string, { made, kept }: CompletedEnv): string {
	const lines = [made.length > 0 ? `Wrote ${file}.` : `${file} is complete; nothing was changed.`];
	for (const name of made) lines.push(`  ${name}  made`);
	for (const name of kept) lines.push(`  ${name}  kept`);
	return lines.join('\n') + '\n';
}
