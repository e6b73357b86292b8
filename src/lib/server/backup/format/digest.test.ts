import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { settings } from '../../../../../tests/databases/settings.ts';
import { compareCores, compareTables, type Core, RowDigest, ROW_SEPARATOR } from './digest.ts';

const SHA256 = createHash('sha256').update('rows').digest('hex');
const TABLE = { name: 'users', rows: 2, sha256: SHA256 };

/** A digest that differs in one of its characters. */
function differentAt(index: number): string {
	const character = SHA256[index] === '0' ? '1' : '0';
	return SHA256.slice(0, index) + character + SHA256.slice(index + 1);
}

describe('the comparison of two tables', () => {
	test.for(Array.from(SHA256, (_, index) => index))('compares character %i', (index) => {
		const other = { ...TABLE, sha256: differentAt(index) };
		expect(compareTables([TABLE], [TABLE])).toEqual([]);
		expect(compareTables([TABLE], [other])).toEqual(['The table "users" has other rows.']);
	});

	test('names missing tables, added tables, and different numbers of rows', () => {
		const more = { ...TABLE, rows: 3 };
		expect(compareTables([TABLE], [])).toEqual(['The table "users" is missing.']);
		expect(compareTables([], [TABLE])).toEqual(['The table "users" should not be there.']);
		expect(compareTables([TABLE], [more])).toEqual(['The table "users" has 3 rows instead of 2.']);
	});

	test('ignores an empty sqlite_sequence, and only an empty one', () => {
		const sequence = { ...TABLE, name: 'sqlite_sequence' };
		expect(compareTables([], [{ ...sequence, rows: 0 }])).toEqual([]);
		expect(compareTables([], [sequence])).toHaveLength(1);
	});
});

test.for(Array.from(SHA256, (_, index) => index))(
	'the comparison of two schemas compares character %i',
	(index) => {
		const core: Core = { schema: { objects: 1, sha256: SHA256 }, tables: [] };
		const other = { ...core, schema: { objects: 1, sha256: differentAt(index) } };
		expect(compareCores(core, core)).toEqual([]);
		expect(compareCores(core, other)).toEqual(['The schema has other definitions.']);
	},
);

describe('the digest of rows', () => {
	test('is the plain SHA-256 up to 64 KiB', () => {
		const digest = new RowDigest();
		digest.add("(1,'a')", 1);
		digest.add("(2,'b')", 1);
		const text = `(1,'a')${ROW_SEPARATOR}(2,'b')`;
		expect(digest.hex()).toBe(createHash('sha256').update(text).digest('hex'));
		expect(digest).toMatchObject({ rows: 2, bytes: text.length });
	});

	const random = settings(200);
	const rows = fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 8 });

	test('is the same when it is saved and continued after any row', random.test, () => {
		fc.assert(
			fc.property(rows, fc.nat(7), (lengths, pause) => {
				const whole = new RowDigest();
				let continued = new RowDigest();
				lengths.forEach((length, index) => {
					whole.add('x'.repeat(length), 1);
					continued.add('x'.repeat(length), 1);
					if (index === pause) continued = RowDigest.from(continued.save());
				});
				expect(continued.hex()).toBe(whole.hex());
				expect(continued.save()).toEqual(whole.save());
			}),
			random.check,
		);
	});
});
