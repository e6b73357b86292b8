import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';

/**
 * An assignment in a `.env` file: name and value, and the text before and after the value.
 * Not util.parseEnv: Node 24.21 takes "A= " for the start of a value on the next line, so a secret on
 * that line would seem to be missing.
 */
const ASSIGNMENT =
	/^(?<before>\s*(?:export[ \t]+)?(?<name>[\w.-]+)[ \t]*=[ \t]*)(?<quote>["'`]?)(?<value>.*?)\k<quote>(?<after>[ \t]*(?:#.*)?)$/gm;

/** RFC 4648, section 6. */
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The secrets that are generated, each with its generator. */
const GENERATORS = {
	TOTP_SECRET: newTotpSecret,
	AUTH_SECRET: newKey,
	BACKUP_MAC_KEY: newKey,
};

/** The text of a `.env` file, the names of its new secrets, and the names that had a value. */
export interface CompletedEnv {
	text: string;
	made: string[];
	kept: string[];
}

/** The values in the text of a `.env` file, one line each. The last of two with the same name counts. */
export function parseEnv(text: string): Record<string, string> {
	const values: Record<string, string> = {};
	for (const { groups } of text.matchAll(ASSIGNMENT)) {
		const { name = '', value = '' } = groups ?? {};
		values[name] = value;
	}
	return values;
}

/** A setting from the environment, otherwise from `.env` in the current folder; empty if it is unset. */
export function readSetting(name: string): string {
	return process.env[name] || readEnvFile()[name] || '';
}

/** The values in `.env` of the current folder, below those in `.dev.vars`; none without such files. */
export function readEnvFile(): Record<string, string> {
	const texts = ['.env', '.dev.vars'].filter(existsSync).map((file) => readFileSync(file, 'utf8'));
	return Object.assign({}, ...texts.map(parseEnv)) as Record<string, string>;
}

/** The file of the current folder that wrangler reads secrets from: without `.dev.vars` it is `.env`. */
export function secretsFile(): string {
	return existsSync('.dev.vars') ? '.dev.vars' : '.env';
}

/**
 * A `.env` text in which TOTP_SECRET and AUTH_SECRET have values: new random ones if they are missing
 * or empty. With a new TOTP_SECRET comes a BACKUP_MAC_KEY. An app that has only the former keeps it: it
 * has signed the backups so far. Only secrets that `example` names are made. The rest of `text` is
 * unchanged; if `text` is null, `example` is completed.
 */
export function completeEnv(text: string | null, example: string): CompletedEnv {
	const start: CompletedEnv = { text: text ?? example, made: [], kept: [] };
	const values = parseEnv(start.text);
	const wanted = parseEnv(example);
	const isOlder = Boolean(values['TOTP_SECRET']?.trim()) && !values['BACKUP_MAC_KEY']?.trim();
	return Object.entries(GENERATORS).reduce((completed, [name, generate]) => {
		if (!(name in wanted) || (name === 'BACKUP_MAC_KEY' && isOlder)) return completed;
		return completeWith(completed, name, generate());
	}, start);
}

/** A completed text in which one more setting has a value: its own, or else this one. */
export function completeWith(
	{ text, made, kept }: CompletedEnv,
	name: string,
	value: string,
): CompletedEnv {
	if (parseEnv(text)[name]?.trim()) return { text, made, kept: [...kept, name] };
	return { text: withValue(text, name, value), made: [...made, name], kept };
}

/** A text in which a name has another value, on the line that counts; unchanged without such a line. */
export function withOtherValue(text: string, name: string, value: string): string {
	const line = [...text.matchAll(ASSIGNMENT)].findLast(({ groups }) => groups?.['name'] === name);
	if (!line) return text;
	const { before = '', after = '' } = line.groups ?? {};
	const end = line.index + line[0].length;
	return text.slice(0, line.index) + before + value + spaced(after) + text.slice(end);
}

/** Fills the empty lines of a name, or appends a line if there are none. */
function withValue(text: string, name: string, value: string): string {
	const filled = text.replace(ASSIGNMENT, (line: string, ...rest: unknown[]) => {
		const found = rest.at(-1) as Record<'before' | 'name' | 'value' | 'after', string>;
		if (found.name !== name || found.value.trim()) return line;
		return found.before + value + spaced(found.after);
	});
	if (filled !== text) return filled;
	const separator = text === '' || text.endsWith('\n') ? '' : '\n';
	return `${text}${separator}${name}=${value}\n`;
}

/** Separates a comment from the value before it. */
function spaced(after: string): string {
	return after.replace(/^#/, ' #');
}

/** 160 random bits, as RFC 4226, section 4, R6 recommends: 32 characters of 5 bits. */
export function newTotpSecret(): string {
	return [...randomBytes(32)].map((byte) => BASE32.charAt(byte % BASE32.length)).join('');
}

/** 256 random bits in base64. */
function newKey(): string {
	return randomBytes(32).toString('base64');
}
