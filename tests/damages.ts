import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { parseManifest } from '../src/lib/server/backup/format/manifest.ts';
import type { Compression } from '../src/lib/server/backup/format/names.ts';
import { slicesOf, type StoredSlice } from '../src/lib/server/backup/format/slices.ts';
import {
	decoded,
	encoderOf,
	type Encoding,
	namesOf,
} from '../src/lib/server/backup/storage/codec.ts';
import { identity } from './encodings.ts';
import { bytesOf, sourceOf } from './memory.ts';

// What can happen to a backup in its bucket, by accident or through an attacker who can write there.

/** A stored backup: the text of its manifest, and its volumes by key. */
export interface Stored {
	manifest: string;
	/** The text of its parent's manifest, undefined if it has none; its volumes have the parent's too. */
	parent?: string | undefined;
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

/** Damages the text of the manifest, or of its parent's. */
const toManifest =
	(change: (text: string, dice: Dice) => string): Damage =>
	(stored, dice) =>
		stored.parent !== undefined && dice(2) === 1
			? { ...stored, parent: change(stored.parent, dice) }
			: { ...stored, manifest: change(stored.manifest, dice) };

/** Damages one slice of those that the SQL consists of. */
const toSlice =
	(
		change: (bytes: Uint8Array, dice: Dice, stored: Stored) => Uint8Array | Promise<Uint8Array>,
	): Damage =>
	async (stored, dice) => {
		const slices = slicesIn(stored);
		return inSlice(stored, slices[dice(slices.length)], (bytes) => change(bytes, dice, stored));
	};

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
	'a flipped bit in a slice': toSlice((bytes, dice) => flipped(bytes, dice(8 * bytes.length))),
	'zeros in place of a slice': toSlice((bytes) => zeros(bytes.length)),
	'other SQL in a slice, as long as before': toSlice(async (bytes, _, { encoding }) =>
		asLong(await planted(bytes, encoding), bytes),
	),
	'two slices in another order': async (stored, dice) => {
		const slices = slicesIn(stored);
		const first = slices[dice(slices.length)];
		const second = slices[dice(slices.length)];
		const [one, other] = [bytesIn(stored, first), bytesIn(stored, second)];
		const moved = await inSlice(stored, first, (bytes) => asLong(other, bytes));
		return inSlice(moved, second, (bytes) => asLong(one, bytes));
	},
	'a slice from another backup': (stored, dice, other) => {
		const [slices, others] = [slicesIn(stored), slicesIn(other)];
		const at = dice(slices.length);
		const found = bytesIn(other, others[at % others.length]);
		return inSlice(stored, slices[at], (bytes) => asLong(found, bytes));
	},
	'the parent of another backup': (stored, _, other) => {
		const keys = volumesOf(stored.parent);
		const others = volumesOf(other.parent);
		const planted = keys.map((key, at) => {
			const bytes = other.volumes.get(others[at % others.length] ?? '');
			return [key, bytes ?? zeros(0)] as const;
		});
		const volumes = new Map([...stored.volumes, ...planted]);
		return {
			...stored,
			parent: other.parent?.replaceAll(nameIn(other.parent), nameIn(stored.parent)),
			volumes,
		};
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

/**
 * What a damage changed: nothing that counts, as white space in a manifest; only bytes that the backup does
 * not use, as those of slices of its parent that it has anew; or the backup.
 */
export function effectOf(whole: Stored, damaged: Stored): 'none' | 'unused' | 'damage' {
	const isMeant = (['manifest', 'parent'] as const).every(
		(text) => meaning(whole[text]) === meaning(damaged[text]),
	);
	const isWhole = slicesIn(whole).every((slice) =>
		isEqual(bytesIn(whole, slice), bytesIn(damaged, slice)),
	);
	const changed = [...whole.volumes.keys()].filter(
		(key) => !isEqual(whole.volumes.get(key), damaged.volumes.get(key)),
	);
	if (!isMeant || !isWhole) return 'damage';
	if (changed.length === 0) return 'none';
	const ofParent = volumesOf(whole.parent);
	return changed.every((key) => ofParent.includes(key)) ? 'unused' : 'damage';
}

/** The slices that the SQL of a whole backup consists of. */
function slicesIn({ manifest, parent }: Stored): StoredSlice[] {
	const found = slicesOf(
		parseManifest(manifest),
		parent === undefined ? null : parseManifest(parent),
	);
	if (found === null) throw new Error('The backup has no slices.');
	return found;
}

function bytesIn({ volumes }: Stored, slice: StoredSlice | undefined): Uint8Array {
	const { volume = '', offset = 0, bytes = 0 } = slice ?? {};
	return volumes.get(volume)?.subarray(offset, offset + bytes) ?? zeros(0);
}

/** Replaces the bytes of a slice by as many others. */
async function inSlice(
	stored: Stored,
	slice: StoredSlice | undefined,
	change: (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>,
): Promise<Stored> {
	if (slice === undefined) throw new Error('There is no slice.');
	const { volume, offset, bytes } = slice;
	const all = Uint8Array.from(stored.volumes.get(volume) ?? []);
	all.set(await change(all.slice(offset, offset + bytes)), offset);
	return { ...stored, volumes: new Map(stored.volumes).set(volume, all) };
}

/** Other bytes in place of these: cut, or with zeros after their end. */
function asLong(other: Uint8Array, { length }: Uint8Array): Uint8Array {
	return joined(other, zeros(length - other.length)).subarray(0, length);
}

function volumesOf(manifest: string | undefined): string[] {
	return manifest === undefined ? [] : parseManifest(manifest).volumes.map(({ key }) => key);
}

function nameIn(manifest: string | undefined): string {
	return manifest === undefined ? '' : parseManifest(manifest).name;
}

function isEqual(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
	return a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;
}

function meaning(json: string | undefined): string | null {
	if (json === undefined) return null;
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
	return encoderOf({ compression: 'off', recipients })(TIGHTER[compression](sql));
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
