import fc from 'fast-check';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { counted } from '../../../tests/counts.ts';
import { completeEnv, parseEnv, readEnvFile, secretsFile } from './dotenv.ts';

const EXAMPLE = readFileSync(join(import.meta.dirname, '../../../.env.example'), 'utf8');

describe('completeEnv', () => {
	const names = fc.constantFrom('TOTP_SECRET', 'AUTH_SECRET', 'OTHER', 'MY_TOTP_SECRET');
	const starts = fc.constantFrom('', '  ', 'export ');
	const equals = fc.constantFrom('=', ' = ');
	const contents = fc.constantFrom(
		{ written: '', value: '' },
		{ written: ' ', value: '' },
		{ written: '""', value: '' },
		{ written: "' '", value: ' ' },
		{ written: ' # later', value: '' },
		{ written: 'v', value: 'v' },
		{ written: 'v # now', value: 'v' },
		{ written: '"a # b"', value: 'a # b' },
		{ written: "'a b' # now", value: 'a b' },
	);
	const assignments = fc
		.tuple(starts, names, equals, contents)
		.map(([start, name, sign, { written, value }]) => {
			return { line: start + name + sign + written, name, value };
		});
	const silent = fc.constantFrom('', ' ', '# a comment', '# TOTP_SECRET=x', 'TOTP_SECRET');
	const lines = fc.oneof(
		assignments,
		silent.map((line) => ({ line, name: '', value: '' })),
	);
	const ends = fc.constantFrom('\n', '\r\n');
	const files = fc.tuple(fc.array(lines), ends, fc.boolean()).map(([all, end, closed]) => ({
		lines: all,
		text: all.map(({ line }) => line).join(end) + (closed ? end : ''),
		values: new Map(all.filter(({ name }) => name).map(({ name, value }) => [name, value])),
	}));

	test('reads what was written', () => {
		fc.assert(
			fc.property(files, ({ text, values }) => {
				expect(parseEnv(text)).toEqual(Object.fromEntries(values));
			}),
		);
	});

	test('generates missing values and changes no existing ones', () => {
		fc.assert(
			fc.property(files, ({ text, values }) => {
				const missing = ['TOTP_SECRET', 'AUTH_SECRET'].filter((name) => !values.get(name)?.trim());
				if (missing.includes('TOTP_SECRET')) missing.push('BACKUP_MAC_KEY'); // no backup yet
				const { text: completed, made } = completeEnv(text, EXAMPLE);
				expect(made).toEqual(missing);

				const after = parseEnv(completed);
				for (const name of made) expect(after[name]).toMatch(/^\S{32,44}$/);
				for (const name of made) values.delete(name);
				expect(after).toMatchObject(Object.fromEntries(values));
			}),
		);
	});

	test('leaves every line as it is unless its value is missing', () => {
		fc.assert(
			fc.property(files, ({ text, lines }) => {
				const { text: completed, made } = completeEnv(text, EXAMPLE);
				const after = completed.split(/\r?\n/);
				for (const [i, { line, name, value }] of lines.entries()) {
					const isFilled = made.includes(name) && !value.trim();
					if (line && !isFilled) expect(after[i]).toBe(line);
				}
			}),
			{ numRuns: counted(1000) },
		);
	});

	test('uses all 32 characters of base32 in secrets', () => {
		const made = Array.from({ length: 100 }, () => completeEnv('', EXAMPLE).text);
		const symbols = made.flatMap((text) => [...(parseEnv(text)['TOTP_SECRET'] ?? '')]);
		expect([...new Set(symbols)].sort().join('')).toBe('234567ABCDEFGHIJKLMNOPQRSTUVWXYZ');
	});

	test('changes nothing when run again', () => {
		fc.assert(
			fc.property(files, ({ text }) => {
				const once = completeEnv(text, EXAMPLE).text;
				expect(completeEnv(once, EXAMPLE)).toMatchObject({ text: once, made: [] });
			}),
		);
	});
});

test('only secrets that the example names are made', () => {
	const { text, made } = completeEnv(null, 'TOTP_SECRET=\nBACKUP_MAC_KEY=\n');
	expect(made).toEqual(['TOTP_SECRET', 'BACKUP_MAC_KEY']);
	expect(parseEnv(text)).not.toHaveProperty('AUTH_SECRET');
});

test('.dev.vars comes before .env, as for wrangler', () => {
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-dotenv-'));
	const before = process.cwd();
	try {
		process.chdir(folder);
		expect([secretsFile(), readEnvFile()]).toEqual(['.env', {}]);
		writeFileSync('.env', 'A=1\nB=1\n');
		expect([secretsFile(), readEnvFile()]).toEqual(['.env', { A: '1', B: '1' }]);
		writeFileSync('.dev.vars', 'B=2\n');
		expect([secretsFile(), readEnvFile()]).toEqual(['.dev.vars', { A: '1', B: '2' }]);
	} finally {
		process.chdir(before);
		rmSync(folder, { recursive: true });
	}
});
