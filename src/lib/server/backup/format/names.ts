/** How the bytes of a volume may be encoded, as the manifest names it. */
export const ENCODING_NAMES = ['gzip', 'zstd', 'age'] as const;
export type EncodingName = (typeof ENCODING_NAMES)[number];

/** How the SQL of a volume may be compressed, as the setting names it; the first one is the default. */
export const COMPRESSIONS = ['gzip', 'zstd', 'off'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** The ending that each encoding adds to a file's name. */
const ENDINGS: Record<EncodingName, string> = { gzip: '.gz', zstd: '.zst', age: '.age' };

/** The kinds of backups, as their names begin: an `incremental` one is a differential. */
export const KINDS = ['full', 'incremental'] as const;
export type Kind = (typeof KINDS)[number];

const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
const VOLUME_ENDING = String.raw`\.sql(?:\.gz|\.zst)?(?:\.age)?`;
const FILE_NAME = new RegExp(
	String.raw`^((?:full|incremental)_backup_${TIME})` +
		String.raw`(?:\.manifest\.json|\.slices|\.proof-${TIME}\.json|(?:\.\d+)?${VOLUME_ENDING})$`,
);

/** The key of every object of every backup begins with one of these. */
export const NAME_PREFIXES = KINDS.map((kind) => `${kind}_backup_` as const);

/** The name of a backup that starts now: `full_backup_2026-11-22T21:52:00.000Z`. */
export function backupName(kind: Kind, startedAt: Date): string {
	return `${kind}_backup_${startedAt.toISOString()}`;
}

/** When a backup of this name started, in milliseconds since 1970; NaN for any other text. */
export function startOf(name: string): number {
	return Date.parse(/^\w+_backup_(.+)$/.exec(name)?.[1] ?? '');
}

/** The name of a volume, counted from 1: `<name>.sql`, `<name>.2.sql.gz.age`, ... */
export function volumeKey(name: string, number: number, encodings: EncodingName[] = []): string {
	const endings = encodings.map((encoding) => ENDINGS[encoding]);
	return `${name}${number === 1 ? '' : `.${number}`}.sql${endings.join('')}`;
}

/** Whether a file of a backup is one of its volumes. */
export function isVolume(fileName: string): boolean {
	return new RegExp(`${VOLUME_ENDING}$`).test(fileName);
}

/** The name of the list of a backup's slices, for plain tools: `<name>.slices`. */
export function sliceListKey(name: string): string {
	return `${name}.slices`;
}

/** The name of the manifest: `<name>.manifest.json`. */
export function manifestKey(name: string): string {
	return `${name}.manifest.json`;
}

/** The backup's name in the file name of a volume, manifest or proof; null for any other text. */
export function backupOfFile(fileName: string): string | null {
	return FILE_NAME.exec(fileName)?.[1] ?? null;
}
