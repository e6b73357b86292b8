import type { Manifest } from './manifest.ts';

/*
 * The slices of a backup (docs/format.md, "Slices"): what the manifest says about them, and the text
 * file with which plain tools put them together.
 */

/** A part of a volume that stands for itself: one member of the compressor, in an age file of its own. */
export interface Slice {
	/** The table whose rows it has, by its place in the manifest; null for other statements. */
	table: number | null;
	rows: number;
	/** Bytes of SQL. */
	sqlBytes: number;
	/** Stored bytes, and their SHA-256. */
	bytes: number;
	sha256: string;
	/** SHA-256 of the SQL; in an encrypted backup an HMAC of that. */
	content: string;
}

/** Where a slice is. */
export interface StoredSlice extends Slice {
	/** The name of the volume, and the place of the slice's first byte in it. */
	volume: string;
	offset: number;
}

/** Some slices in a row, counted from 1, of the backup itself or of its parent. */
export interface Run {
	of: 'own' | 'parent';
	first: number;
	last: number;
}

/** The slice as the manifest has it. */
export function printSlice({ table, rows, sqlBytes, bytes, sha256, content }: Slice): string {
	return [table ?? '-', rows, sqlBytes, bytes, sha256, content].join(' ');
}

/** The run as the manifest has it. */
export function printRun({ of, first, last }: Run): string {
	return `${of} ${first}-${last}`;
}

/** Adds a slice to the runs, to the last of them if it follows that. */
export function addToRuns(runs: Run[], of: Run['of'], number: number): void {
	const last = runs.at(-1);
	if (last?.of === of && last.last + 1 === number) last.last = number;
	else runs.push({ of, first: number, last: number });
}

/**
 * The slices in a backup's own volumes, in order; null if it is older than slices. Throws if they do not
 * fill the volumes.
 */
export function ownSlices({ slices, volumes }: Manifest): StoredSlice[] | null {
	if (slices === undefined) return null;
	const rest = slices.values().map(parseSlice);
	const stored = volumes.flatMap(({ key: volume, bytes, sqlBytes }) => {
		const found: StoredSlice[] = [];
		let offset = 0;
		let sql = 0;
		while (offset < bytes) {
			const { value: slice, done } = rest.next();
			if (done) break;
			found.push({ ...slice, volume, offset });
			offset += slice.bytes;
			sql += slice.sqlBytes;
		}
		if (offset !== bytes || sql !== sqlBytes) throw unfilled(volume);
		return found;
	});
	if (!rest.next().done) throw unfilled('last');
	return stored;
}

/**
 * All slices of a backup in the order of its SQL; null if it is older than slices. `parent` is the
 * manifest of the full backup that a differential rests on. Throws if the manifests contradict
 * themselves or each other.
 */
export function slicesOf(manifest: Manifest, parent: Manifest | null): StoredSlice[] | null {
	const own = ownSlices(manifest);
	if (own === null || manifest.order === undefined) return own;
	const sources = { own, parent: (parent && ownSlices(parent)) ?? [] };
	const all = manifest.order.map(parseRun).flatMap(({ of, first, last }) => {
		const found = sources[of].slice(first - 1, last);
		if (first < 1 || found.length !== last - first + 1) throw new Error('a slice is not there');
		return found;
	});
	if (new Set(all.filter(({ volume }) => isOf(manifest, volume))).size !== own.length) {
		throw new Error('a slice is not used');
	}
	return all;
}

/**
 * The manifest of a backup whose SQL is in these volumes and not in those that it names: they are read
 * whole, one after the other.
 */
export function withVolumes(manifest: Manifest, volumes: Manifest['volumes']): Manifest {
	return { ...manifest, volumes, parent: null, slices: undefined, order: undefined };
}

/**
 * The text of `NAME.slices`: for each slice its volume, offset and length. Without encryption,
 * neighbours are one line, because decompressors read several members in a row.
 */
export function printSliceList(
	slices: StoredSlice[],
	{ encrypted }: { encrypted: boolean },
): string {
	const ranges: { volume: string; offset: number; bytes: number }[] = [];
	for (const { volume, offset, bytes } of slices) {
		const last = ranges.at(-1);
		const follows = last?.volume === volume && last.offset + last.bytes === offset;
		if (follows && !encrypted) last.bytes += bytes;
		else ranges.push({ volume, offset, bytes });
	}
	return ranges.map(({ volume, offset, bytes }) => `${volume} ${offset} ${bytes}\n`).join('');
}

function parseSlice(text: string): Slice {
	const [table, rows, sqlBytes, bytes, sha256 = '', content = ''] = text.split(' ');
	return {
		table: table === '-' ? null : Number(table),
		rows: Number(rows),
		sqlBytes: Number(sqlBytes),
		bytes: Number(bytes),
		sha256,
		content,
	};
}

function parseRun(text: string): Run {
	const [, of, first, last] = /^(own|parent) (\d+)-(\d+)$/.exec(text) ?? [];
	return { of: of === 'own' ? 'own' : 'parent', first: Number(first), last: Number(last) };
}

function isOf({ volumes }: Manifest, key: string): boolean {
	return volumes.some((volume) => volume.key === key);
}

function unfilled(volume: string): Error {
	return new Error(`the slices do not fill the volume ${volume}`);
}
