import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import type { Compression } from '../src/lib/server/backup/format/names.ts';
import {
	decoded,
	encoderOf,
	type Encoding,
	namesOf,
} from '../src/lib/server/backup/storage/codec.ts';
import { type Sql, sql } from './databases/sql.ts';
import { counting, long } from './databases/values.ts';
import { identity } from './encodings.ts';
import { bytesOf, sourceOf } from './memory.ts';

// What can happen to a backup in its bucket, by accident or through an attacker who can write there.

/** The database whose backups are damaged. */
export const SHOP: Sql[] = [
	['CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, score REAL)'],
	['CREATE TABLE orders (id INTEGER PRIMARY KEY, user REFERENCES users (id), content BLOB)'],
	[`${counting(200)} INSERT INTO users (name, score) SELECT 'user ' || i, i / 7.0 FROM counting`],
	[`${counting(300)} INSERT INTO orders SELECT i, i % 200 + 1, randomblob(10) FROM counting`],
	sql`INSERT INTO orders VALUES (999, 1, ${long(120_000, Uint8Array.of(1, 2, 3))})`,
	['CREATE INDEX by_user ON orders (user)'],
	[`CREATE VIEW names AS SELECT name FROM users`],
	[`CREATE TRIGGER gone AFTER DELETE ON users BEGIN DELETE FROM orders WHERE user = old.id; END`],
];

/** A stored backup: the text of its manifest, and its volumes by key. */
export interface Stored {
	manifest: string;
	volumes: ReadonlyMap<string, Uint8Array>;
	encoding: Encoding;
}

/** Returns an integer from 0 up to, but excluding, `below`. */
export type Dice = (below: number) => number;

/** Damages a backup; `other` is another backup, stored in the same way. */
type Damage = (stored: Stored, dice: Dice, other: Stored) => Stored | Promise<Stored>;

/** Bytes of an age chunk, with its tag (age-encryption.org/v1, Payload). */
const AGE_CHUNK = 65_536 + 16;
const NONCE = 16;

const zeros = (length: number) => new Uint8Array(Math.max(0, length));
const joined = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

/** Damages the bytes of one volume. */
const toVolume =
	(
		change: (bytes: Uint8Array, dice: Dice, encoding: Encoding) => Uint8Array | Promise<Uint8Array>,
	): Damage =>
	async (stored, dice) => {
		const [key, bytes] = pick(stored, dice);
		const changed = await change(bytes, dice, stored.encoding);
		return { ...stored, volumes: new Map(stored.volumes).set(key, changed) };
	};

/** Damages the text of the manifest. */
const toManifest =
	(change: (text: string, dice: Dice) => string): Damage =>
	(stored, dice) => ({ ...stored, manifest: change(stored.manifest, dice) });

/** Each kind of damage, by name. */
export const damages: Record<string, Damage> = {
	'a flipped bit': toVolume((bytes, dice) => flipped(bytes, dice(8 * bytes.length))),
	'a cut': toVolume((bytes, dice) => bytes.slice(0, dice(bytes.length))),
	'a cut between two age chunks': toVolume((bytes, dice) => {
		const header = Buffer.from(bytes).indexOf('\n', Buffer.from(bytes).indexOf('\n---') + 1);
		return bytes.slice(0, header + 1 + NONCE + dice(2) * AGE_CHUNK);
	}),
	'lost bytes': toVolume((bytes, dice) => {
		const at = dice(bytes.length);
		return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + dice(100)));
	}),
	'noise after the end': toVolume((bytes, dice) =>
		joined(
			bytes,
			Uint8Array.from({ length: 1 + dice(2000) }, () => dice(256)),
		),
	),
	'zeros after the end': toVolume((bytes, dice) => joined(bytes, zeros(1 + dice(2000)))),
	'the whole volume a second time after the end': toVolume((bytes) => joined(bytes, bytes)),
	'other SQL': toVolume((bytes, _, encoding) => planted(bytes, encoding)),
	'other SQL and zeros': toVolume(async (bytes, dice, encoding) =>
		joined(await planted(bytes, encoding), zeros(1 + dice(2000))),
	),
	'other SQL and zeros, as long as before': toVolume(async (bytes, _, encoding) => {
		const other = await planted(bytes, encoding);
		return joined(other, zeros(bytes.length - other.length));
	}),
	'other SQL, zeros and the same': toVolume(async (bytes, dice, encoding) =>
		joined(await planted(bytes, encoding), zeros(1 + dice(2000)), bytes),
	),
	'other SQL after the end': toVolume(async (bytes, _, encoding) =>
		joined(bytes, await planted(bytes, encoding)),
	),
	'the same SQL, stored again': toVolume(async (bytes, _, encoding) =>
		encoded(await plain(bytes, encoding), encoding),
	),
	'all volumes joined into the first': (stored) => {
		const [first = '', ...more] = stored.volumes.keys();
		const all = joined(...stored.volumes.values());
		const volumes = more.map((key) => [key, new Uint8Array()] as const);
		return { ...stored, volumes: new Map([[first, all], ...volumes]) };
	},
	'a volume from another backup': (stored, dice, other) => {
		const [key] = pick(stored, dice);
		const [, bytes] = pick(other, dice);
		return { ...stored, volumes: new Map(stored.volumes).set(key, bytes) };
	},
	'volumes in another order': (stored) => {
		const volumes = [...stored.volumes.values()];
		const keys = [...stored.volumes.keys()];
		const moved = keys.map((key, at) => [key, volumes.at(at - 1) ?? zeros(0)] as const);
		return { ...stored, volumes: new Map(moved) };
	},
	'a lost volume': (stored, dice) => {
		const [lost] = pick(stored, dice);
		const left = [...stored.volumes].filter(([key]) => key !== lost);
		return { ...stored, volumes: new Map(left) };
	},
	'a flipped bit in the manifest': toManifest((text, dice) =>
		new TextDecoder().decode(flipped(Buffer.from(text), dice(8 * text.length))),
	),
	'another digit in the manifest': toManifest((text, dice) => {
		const digits = [...text.matchAll(/\d/g)].map(({ index }) => index);
		const at = digits[dice(digits.length)] ?? 0;
		return text.slice(0, at) + ((Number(text[at]) + 1 + dice(9)) % 10) + text.slice(at + 1);
	}),
	'a cut in the manifest': toManifest((text, dice) => text.slice(0, dice(text.length))),
	'white space in the manifest': toManifest((text, dice) =>
		text.replaceAll('\n', '\n'.repeat(1 + dice(3))),
	),
};

/** Whether two stored backups are equal; white space in a manifest does not count. */
export function isSame(a: Stored, b: Stored): boolean {
	const volumes = [...a.volumes].every(([key, bytes]) => {
		const others = b.volumes.get(key);
		return others !== undefined && Buffer.compare(bytes, others) === 0;
	});
	return volumes && meaning(a.manifest) === meaning(b.manifest);
}

function meaning(json: string): string | null {
	try {
		return JSON.stringify(JSON.parse(json));
	} catch {
		return null;
	}
}

function pick({ volumes }: Stored, dice: Dice): [string, Uint8Array] {
	return [...volumes][dice(volumes.size)] ?? ['', zeros(0)];
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
	return Uint8Array.from(bytes).with(bit >> 3, (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
}

/**
 * Adds a statement to the SQL of a volume and stores it again in the same way. The digests of rows and
 * schema stay the same; tighter compression leaves the volume a little shorter.
 */
async function planted(bytes: Uint8Array, encoding: Encoding): Promise<Uint8Array> {
	const sql = Buffer.from(await plain(bytes, encoding)).toString('latin1');
	const end = sql.lastIndexOf('-- lifeboat {');
	const at = end === -1 ? sql.length : end;
	const more = `UPDATE users SET name='planted';\n`;
	return encoded(Buffer.from(sql.slice(0, at) + more + sql.slice(at), 'latin1'), encoding);
}

function plain(bytes: Uint8Array, encoding: Encoding): Promise<Uint8Array> {
	const open = () => decoded(sourceOf(bytes).open(), namesOf(encoding), [identity]);
	return bytesOf({ open });
}

async function encoded(
	sql: Uint8Array,
	{ compression, recipients }: Encoding,
): Promise<Uint8Array> {
	const encoder = encoderOf({ compression: 'off', recipients });
	const compressed = TIGHTER[compression](sql);
	return joined(...(await encoder.push(compressed)), ...(await encoder.end()));
}

const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = constants;

/** Compress better than Lifeboat does. */
const TIGHTER: Record<Compression, (sql: Uint8Array) => Uint8Array> = {
	off: (sql) => sql,
	gzip: (sql) => new Uint8Array(gzipSync(sql, { level: 9 })),
	zstd(sql) {
		const params = { [ZSTD_c_compressionLevel]: 15, [ZSTD_c_checksumFlag]: 1 };
		const result: unknown = zstdCompressSync(sql, { params, info: true, chunkSize: 2 ** 20 });
		return new Uint8Array((result as { buffer: Uint8Array }).buffer);
	},
};
