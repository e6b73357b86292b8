#!/usr/bin/env node
// Prints the current code of TOTP_SECRET, from the environment or .env, and nothing else. Needs only
// Node 20: no package and no other file but the TOTP class.
import { existsSync, readFileSync } from 'node:fs';
import { TOTP } from './src/lib/totp.js';

try {
	const totp = new TOTP(process.env.TOTP_SECRET || secretFromFile());
	console.log(await totp.generateTOTP(Date.now() / 1000));
} catch (error) {
	console.error(error instanceof Error ? error.message : error);
	process.exitCode = 1;
}

/** The last TOTP_SECRET in `.env` of the current folder, or an empty text, as src/cli/secrets/dotenv.ts reads it. */
function secretFromFile() {
	if (!existsSync('.env')) return '';
	const lines = readFileSync('.env', 'utf8').matchAll(
		/^\s*(?:export[ \t]+)?TOTP_SECRET[ \t]*=[ \t]*(["'`]?)(?<value>.*?)\1[ \t]*(?:#.*)?$/gm,
	);
	return [...lines].at(-1)?.groups?.['value'] ?? '';
}
