#!/usr/bin/env node
// Prints the current code of TOTP_SECRET, from the environment or .env, and nothing else: six digits, as
// authenticator apps do; with --long the long form; with --headers the header lines of a call, for
// `curl -H @-`. Needs only Node 20: no package and no other file but the TOTP class.
import { existsSync, readFileSync } from 'node:fs';
import { TOTP } from './src/lib/totp.js';

const [option, ...others] = process.argv.slice(2);

if (others.length > 0 || ![undefined, '--long', '--headers'].includes(option)) {
	console.error('genTotp.js takes one option at most, which is --long or --headers.');
	process.exitCode = 2;
} else {
	try {
		console.log(await textFor(option));
	} catch (error) {
		console.error(error instanceof Error ? error.message : error);
		process.exitCode = 1;
	}
}

/** @param {string | undefined} option */
async function textFor(option) {
	const totp = new TOTP(setting('TOTP_SECRET'));
	const now = Date.now() / 1000;
	if (option === undefined) return totp.generateTOTP(now);
	const code = await totp.generateLongCode(now);
	return option === '--long' ? code : headers(code, setting('BACKUP_API_KEY').trim());
}

/**
 * The headers that admit a call, one a line.
 *
 * @param {string} code
 * @param {string} key empty if there is none
 */
function headers(code, key) {
	const authorization = `Authorization: Bearer ${code}`;
	if (key === '') return authorization;
	if (/^[ -~]+$/.test(key)) return `${authorization}\nX-API-Key: ${key}`;
	throw new Error(
		'BACKUP_API_KEY has characters that an HTTP header cannot carry. Set it, here and for the app, to what `openssl rand -hex 32` prints.',
	);
}

/**
 * A setting from the environment, otherwise the last of its name in `.env` of the current folder, as
 * src/cli/secrets/dotenv.ts reads it. Empty if it is unset.
 *
 * @param {string} name
 */
function setting(name) {
	if (process.env[name]) return process.env[name];
	if (!existsSync('.env')) return '';
	const lines = readFileSync('.env', 'utf8').matchAll(
		/^\s*(?:export[ \t]+)?(?<name>[\w.-]+)[ \t]*=[ \t]*(["'`]?)(?<value>.*?)\2[ \t]*(?:#.*)?$/gm,
	);
	return [...lines].findLast(({ groups }) => groups?.['name'] === name)?.groups?.['value'] ?? '';
}
