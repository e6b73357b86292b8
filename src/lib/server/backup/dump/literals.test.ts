import { env } from 'cloudflare:workers';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { counted, SEED } from '../../../../../tests/counts.ts';
import { reset } from '../../../../../tests/reset.ts';
import { sqlite3 } from '../../../../../tests/databases/sources.ts';
import { hexLiteral, literal } from './literals.ts';

beforeEach(reset);

/** The bits of a double, in the form of sqlite3's ieee754_to_blob(). */
function bits(value: number): string {
	const view = new DataView(new ArrayBuffer(8));
	view.setFloat64(0, value);
	return new Uint8Array(view.buffer).toHex().toUpperCase();
}

function fromBits(text: bigint): number {
	const view = new DataView(new ArrayBuffer(8));
	view.setBigUint64(0, text);
	return view.getFloat64(0);
}

async function printed(values: number[], print = literal): Promise<string[]> {
	await env.DB.prepare('CREATE TABLE IF NOT EXISTS v (id INTEGER PRIMARY KEY, x)').run();
	await env.DB.prepare('DELETE FROM v').run();
	const insert = env.DB.prepare('INSERT INTO v (x) VALUES (?)');
	for (let at = 0; at < values.length; at += 1000) {
		await env.DB.batch(values.slice(at, at + 1000).map((value) => insert.bind(value)));
	}
	const rows = await env.DB.prepare(`SELECT ${print('x')} FROM v ORDER BY id`).raw<[string]>();
	return rows.map(([text]) => text);
}

/** The bits that D1 and Debian's sqlite3 read from the literals. */
async function readBack(texts: string[]): Promise<{ d1: string[]; sqlite3: string[] }> {
	const rows = texts.map((text, index) => `(${index},${text})`);
	const d1: string[] = [];
	for (let at = 0; at < rows.length; at += 200) {
		const some = rows.slice(at, at + 200).join(',');
		const answer = env.COPY.prepare(`WITH v (i, x) AS (VALUES ${some}) SELECT x FROM v ORDER BY i`);
		d1.push(...(await answer.raw<[number]>()).map(([value]) => bits(value)));
	}
	const [shell] = await sqlite3(
		env.WITNESS,
		`CREATE TABLE v (i, x);\n${rows.map((row) => `INSERT INTO v VALUES ${row};\n`).join('')}`,
	).query(['SELECT hex(ieee754_to_blob(x)) FROM v ORDER BY i']);
	return { d1, sqlite3: (shell ?? []).map(([value]) => String(value)) };
}

async function expectExact(values: number[]): Promise<void> {
	const texts = await printed(values);
	const expected = values.map(bits);
	expect(await readBack(texts), `LIFEBOAT_SEED=${SEED}`).toEqual({
		d1: expected,
		sqlite3: expected,
	});
}

test('a double of every exponent is read back exactly', async () => {
	const values: number[] = [];
	const mantissas = fc.bigInt(0n, 2n ** 64n - 1n);
	const random = fc.sample(mantissas, { numRuns: 2047 * 3, seed: SEED }).values();
	for (let exponent = 0n; exponent < 2047n; exponent++) {
		for (const mantissa of [1n, 0xf_ffff_ffff_ffffn, ...random.take(3)]) {
			const sign = mantissa & (1n << 63n);
			values.push(fromBits(sign | (exponent << 52n) | (mantissa & 0xf_ffff_ffff_ffffn)));
		}
		if (exponent > 0n) values.push(fromBits(exponent << 52n));
	}
	await expectExact(values);
});

test('decimals as people write them are read back exactly', async () => {
	const fractions = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
	const random = fc.sample(fractions, { numRuns: counted(10_000), seed: SEED });
	const values = random.map(
		(fraction, count) => Number((fraction * 10 ** (count % 9)).toFixed(count % 13)) || 1,
	);
	// SQLite 3.40 reads the decimal text of this one as the next double up.
	await expectExact([...values, 0.0034112676855576]);
});

test.for([
	[0.1, '0.1'],
	[19.99, '19.99'],
	[-1234567.8901, '-1234567.8901'],
	[1, '1.0'],
	[1_700_000_000_123, '1700000000123.0'],
	[0, '0.0'],
	[1 / 3, '12009599006321322/36028797018963968.0'],
] as const)('%d is printed as %s', async ([value, text]) => {
	expect(await printed([value])).toEqual([text]);
});

test('both forms agree on everything but text', async () => {
	const values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308];
	expect(await printed(values, hexLiteral)).toEqual(await printed(values));
});
