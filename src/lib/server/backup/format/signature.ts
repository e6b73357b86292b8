import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { LifeboatError } from '../../errors.ts';
import type { Core } from './digest.ts';
import { type Manifest, parseManifest } from './manifest.ts';

const KEY_BYTES = 32;

/** Keys from one secret of the app. */
export interface BackupKey {
	/** Signs manifests: who has no secret cannot plant a backup. */
	mac: Uint8Array;
	/** Hides the digests in manifests of encrypted backups: they would let contents be guessed. */
	digest: Uint8Array;
	/** Signs the tickets of a backup in steps. */
	ticket: Uint8Array;
	/** Encrypts what the next step of a backup needs. */
	state: Uint8Array;
}

/** A manifest, and the key that it is signed with; null where no key was asked for or fits. */
export interface OpenedManifest {
	manifest: Manifest;
	key: BackupKey | null;
}

/** The keys of a secret, by HKDF-SHA256 (RFC 5869) with a label for each use. */
export function deriveKey(secret: Uint8Array): BackupKey {
	const derive = (label: string) =>
		new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), label, KEY_BYTES));
	return {
		mac: derive('lifeboat manifest mac 1'),
		digest: derive('lifeboat digest 1'),
		ticket: derive('lifeboat resume ticket 1'),
		state: derive('lifeboat backup state 1'),
	};
}

/** The manifest with its MAC. */
export function signManifest(manifest: Manifest, key: BackupKey): Manifest {
	return { ...manifest, mac: macOf(manifest, key).toString('hex') };
}

/**
 * Reads a manifest and checks its MAC with the keys, of which any will do. Without keys nothing is
 * checked; with `unsigned` a manifest passes whose MAC fits none.
 *
 * Throws `manifest_unsigned` or `manifest_forged` (422), `manifest_unreadable` (500).
 */
export function openManifest(
	text: string,
	keys: readonly BackupKey[],
	{ unsigned = false } = {},
): OpenedManifest {
	const manifest = parseManifest(text);
	const { mac, ...rest } = JSON.parse(text) as object & { mac?: unknown };
	const key = keys.find((candidate) => isMac(mac, macOf(rest, candidate))) ?? null;
	if (key === null && keys.length > 0 && !unsigned) {
		throw mac === undefined ? manifestUnsigned() : manifestForged();
	}
	return { manifest, key };
}

/**
 * A core whose digests say nothing to those who have no key, not even which tables hold the same:
 * HMAC-SHA256 over what is digested and its digest. Names and counts stay.
 */
export function hideDigests<T extends Core>(core: T, { digest }: BackupKey): T {
	const hidden = <D extends { sha256: string }>(what: string, described: D): D => ({
		...described,
		sha256: createHmac('sha256', digest).update(`${what}\n${described.sha256}`).digest('hex'),
	});
	return {
		...core,
		schema: hidden('schema', core.schema),
		tables: core.tables.map((table) => hidden(`table ${table.name}`, table)),
	};
}

/** HMAC-SHA256 over the canonical JSON. */
function macOf(manifest: object, { mac }: BackupKey): Buffer {
	return createHmac('sha256', mac).update(canonicalJson(manifest)).digest();
}

function isMac(text: unknown, expected: Buffer): boolean {
	const given = Buffer.from(typeof text === 'string' ? text : '', 'hex');
	return given.length === expected.length && timingSafeEqual(given, expected);
}

/** RFC 8785: no white space, the names of each object in the order of their UTF-16 code units. */
function canonicalJson(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
	if (typeof value !== 'object' || value === null) return JSON.stringify(value);
	const members = Object.entries(value)
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
	return `{${members.join(',')}}`;
}

function manifestUnsigned(): LifeboatError {
	return new LifeboatError(
		'The manifest of this backup is not signed: it was made before Lifeboat signed manifests, or by somebody else.',
		{
			code: 'manifest_unsigned',
			status: 422,
			hint: 'If you know it for your own, run `npm run drill` or `npm run restore` with --unsigned.',
		},
	);
}

function manifestForged(): LifeboatError {
	return new LifeboatError(
		'The manifest of this backup was changed, or signed with another secret than this app’s.',
		{
			code: 'manifest_forged',
			status: 422,
			hint: 'Use another backup. Set BACKUP_MAC_KEY where the app has it; after a change of secrets set TOTP_SECRET_PREVIOUS to the old one; if you know the backup for your own, run `npm run drill` or `npm run restore` with --unsigned.',
		},
	);
}
