import { describe, expect, test } from 'vitest';
import { alterations, type Json } from '../../../../../tests/alterations.ts';
import { type Manifest, printManifest } from './manifest.ts';
import { deriveKey, hideDigests, openManifest, signManifest } from './signature.ts';

const key = deriveKey(Uint8Array.from({ length: 20 }, (_, index) => index));
const other = deriveKey(new Uint8Array(20));

const NAME = 'full_backup_2026-11-22T21:52:00.000Z';
const plain: Manifest = {
	...{ format: 1, name: NAME, kind: 'full', parent: null, database: 'DB' },
	...{ startedAt: '2026-11-22T21:52:00.000Z', finishedAt: '2026-11-22T21:52:01.000Z' },
	snapshot: { consistency: 'atomic', attempts: 1, bookmark: 'b' },
	schema: { objects: 2, sha256: 'a'.repeat(64) },
	tables: [
		{ name: 'users', rows: 3, bytes: 30, sha256: 'b'.repeat(64) },
		{ name: 'größe "x"', rows: 3, bytes: 30, sha256: 'b'.repeat(64) },
	],
	volumes: [
		{
			...{ key: `${NAME}.sql.gz`, bytes: 40, sha256: 'c'.repeat(64) },
			...{ sqlBytes: 60, encodings: ['gzip'] },
		},
	],
	...{ encryption: null, warnings: ['w'] },
	cost: { queries: 1, rowsRead: 6, durationMs: 1000 },
	engine: { version: '0.1.0' },
};
const signed = signManifest(plain, key);

const WORDS: Record<string, string> = { full: 'incremental', atomic: 'fenced', gzip: 'age' };

/** A different text of the same kind: a word, a time, a digest or a name. */
function another(text: string): string {
	if (text.startsWith('2026')) return `2027${text.slice(4)}`;
	return WORDS[text] ?? `${text.slice(0, -1)}1`;
}

/** Variants of the JSON: each value in turn replaced by another valid one. */
function* substitutions(value: Json): Generator<Json> {
	if (typeof value !== 'object' || value === null) {
		yield typeof value === 'number' ? value + 1 : another(String(value));
		return;
	}
	if (Array.isArray(value)) {
		for (const [at, entry] of value.entries()) {
			for (const other of substitutions(entry)) yield value.with(at, other);
		}
		return;
	}
	for (const [name, member] of Object.entries(value)) {
		for (const other of substitutions(member)) yield { ...value, [name]: other };
	}
}

/** The JSON with the members of every object in reverse order. */
function reversed(value: Json): Json {
	if (Array.isArray(value)) return value.map(reversed);
	if (typeof value !== 'object' || value === null) return value;
	const members = Object.entries(value).toReversed();
	return Object.fromEntries(members.map(([name, member]) => [name, reversed(member)]));
}

const asJson = (manifest: Manifest) => JSON.parse(JSON.stringify(manifest)) as Json;

describe('a signed manifest', () => {
	test('has the MAC that docs/format.md describes', () => {
		// Computed with Python's hashlib and json.
		expect(signed.mac).toBe('b2a33ee15531d7b711d3ec562dfe4c9ac28f744e42fa9079eb2912397cc21bfb');
	});

	test('passes with its key, also among others', () => {
		const opened = openManifest(printManifest(signed), [other, key]);
		expect(opened).toEqual({ manifest: signed, key });
	});

	test('passes in any member order and with any white space', () => {
		const text = JSON.stringify(reversed(asJson(signed)), null, '   ');
		expect(text).not.toBe(JSON.stringify(signed, null, '   '));
		expect(openManifest(text, [key]).manifest).toEqual(signed);
	});

	test('passes when nothing is to be checked', () => {
		expect(openManifest(printManifest(signed), [])).toEqual({ manifest: signed, key: null });
	});

	test('is refused when anything in it was altered', () => {
		const codes = ['manifest_forged', 'manifest_unsigned', 'manifest_unreadable'];
		let tried = 0;
		for (const altered of alterations(asJson(signed))) {
			const text = JSON.stringify(altered);
			if (JSON.stringify(asJson(signed)) === text) continue;
			expect(() => openManifest(text, [key]), text).toThrow(
				expect.objectContaining({ code: expect.toBeOneOf(codes) }),
			);
			tried++;
		}
		expect(tried).toBeGreaterThan(100);
	});

	test('is reported as forged when a value was replaced by another valid one', () => {
		const encrypted = { ...plain, encryption: { recipients: ['age1one', 'age1two'] } };
		const { mac, ...bare } = signManifest(encrypted, key);
		let tried = 0;
		for (const altered of substitutions(bare as Json)) {
			const text = JSON.stringify({ ...(altered as object), mac });
			if (text.includes('"format":2')) continue; // which cannot be read
			expect(() => openManifest(text, [key]), text).toThrow(
				expect.objectContaining({ code: 'manifest_forged', status: 422 }),
			);
			tried++;
		}
		expect(tried).toBeGreaterThan(30);
	});

	test('is refused with an additional member of any name', () => {
		const text = JSON.stringify(signed);
		for (const name of ['__proto__', 'constructor', 'prototype']) {
			for (const member of [`"${name}":{"name":"x"}`, `"${name}":null`]) {
				expect(() => openManifest(`{${member},${text.slice(1)}`, [key]), member).toThrow(
					expect.objectContaining({ code: 'manifest_forged' }),
				);
			}
		}
	});

	test('has one MAC, in one spelling', () => {
		const { mac = '', ...bare } = signed;
		for (const spelled of [mac.toUpperCase(), `${mac}00`, `${mac} `, mac.slice(2), '', null, 0]) {
			expect(() => openManifest(JSON.stringify({ ...bare, mac: spelled }), [key])).toThrow(
				expect.objectContaining({ code: 'manifest_unreadable' }),
			);
		}
	});

	test('may have any table names', () => {
		const names = ['"', '\\', '\u2028', 'ü', '\ud800', '__proto__', '', '\u0000'];
		const tables = names.map((name) => ({
			...{ name, rows: 1, bytes: 1 },
			sha256: 'b'.repeat(64),
		}));
		const text = printManifest(signManifest({ ...plain, tables }, key));
		expect(openManifest(text, [key]).manifest.tables).toEqual(tables);
	});
});

describe('a manifest signed by somebody else', () => {
	const forged = signManifest(plain, other);

	test.for([
		['by another’s key', forged, 'manifest_forged'],
		['by a made-up MAC', { ...plain, mac: '0'.repeat(64) }, 'manifest_forged'],
		['by none', plain, 'manifest_unsigned'],
	] as const)('is refused: %s', ([, manifest, code]) => {
		const open = () => openManifest(printManifest(manifest), [key]);
		expect(open).toThrow(expect.objectContaining({ code, status: 422 }));
		expect(open).toThrow(expect.objectContaining({ hint: expect.stringContaining('--unsigned') }));
	});

	test.for([plain, forged])('passes on request, without a key', (manifest) => {
		const opened = openManifest(printManifest(manifest), [key], { unsigned: true });
		expect(opened).toEqual({ manifest, key: null });
	});

	test('is refused when it cannot be read, with or without a key', () => {
		for (const text of ['', '{', '{}', printManifest({ ...plain, mac: 'x' })]) {
			expect(() => openManifest(text, [key], { unsigned: true })).toThrow(
				expect.objectContaining({ code: 'manifest_unreadable' }),
			);
		}
	});
});

describe('a key with an end', () => {
	const end = Date.parse(plain.startedAt);
	const at = (milliseconds: number) => [key, { ...other, until: end + milliseconds }];
	const replaced = printManifest(signManifest(plain, other));

	test('verifies only manifests of backups that started before it', () => {
		expect(openManifest(replaced, at(1)).manifest.name).toBe(NAME);
		for (const keys of [at(0), at(-1), at(NaN)]) {
			expect(() => openManifest(replaced, keys)).toThrow(
				expect.objectContaining({ code: 'manifest_forged' }),
			);
		}
	});

	test.for([
		{ name: NAME.replace('2026', '2027') },
		{ name: 'full_backup_whenever' },
		{ name: '' },
	])('goes by the name, whatever else the manifest says: %j', ({ name }) => {
		const forged = signManifest({ ...plain, name }, other);
		expect(() => openManifest(printManifest(forged), at(1))).toThrow(
			expect.objectContaining({ code: 'manifest_forged' }),
		);
	});
});

describe('hidden digests', () => {
	const hidden = hideDigests(plain, key);

	test('are computed as docs/format.md describes', () => {
		// Computed with Python's hashlib.
		const [users, size] = hidden.tables;
		expect([hidden.schema.sha256, users?.sha256, size?.sha256]).toEqual([
			'4b9558615f6e65bf3e1cae239dbb5fe0a44a8f5db562b5c8ef8671455d1b4dd3',
			'4ab469fa268bb71ff4900886771b33ddc10445b41015930b0443c81fe1e5505a',
			'a5579c54289bc58b9ede2317d8a01c141b21b1d5b90063964273433e72aec207',
		]);
	});

	test('change nothing else in the manifest', () => {
		const bare = (manifest: Manifest) =>
			JSON.stringify(manifest).replaceAll(/"sha256":"\w{64}"/g, '"sha256":""');
		expect(bare(hidden)).toBe(bare(plain));
		expect(hidden.volumes).toEqual(plain.volumes);
	});

	test('differ under another key', () => {
		const elsewhere = hideDigests(plain, other);
		expect(elsewhere.schema.sha256).not.toBe(hidden.schema.sha256);
		expect(elsewhere.tables[0]?.sha256).not.toBe(hidden.tables[0]?.sha256);
	});
});
