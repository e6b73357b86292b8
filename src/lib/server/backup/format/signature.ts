import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { LifeboatError } from '../../errors.ts';
import type { Core } from './digest.ts';
import { type Manifest, parseManifest, printSummary } from './manifest.ts';
import { startOf } from './names.ts';
import { parseProof, parseProofSummary, type Proof, type ProofSummary } from './proof.ts';

const KEY_BYTES = 32;

/** The keys that are derived from one secret of the app. */
export interface BackupKey {
	/** Signs manifests, so that nobody without the secret can plant a backup. */
	mac: Uint8Array;
	/** Signs proofs, so that nobody without the secret can call a backup proven. */
	proof: Uint8Array;
	/** Hides the digests in manifests of encrypted backups, from which contents could be guessed. */
	digest: Uint8Array;
	/** Signs the summaries of manifests, from which a list is made. */
	summary: Uint8Array;
	/** Signs what the app remembers of its databases for the health. */
	health: Uint8Array;
	/** Signs which backups are pinned, and which are marked for removal. */
	keep: Uint8Array;
	/** Signs the tickets of a backup in steps. */
	ticket: Uint8Array;
	/** Encrypts the state that the next step of a backup needs. */
	state: Uint8Array;
	/**
	 * If set, the key verifies only manifests and proofs that are dated before this, in milliseconds
	 * since 1970, and does nothing else: it was replaced, and somebody else may know it by now.
	 */
	until?: number;
	/** The names of the database whose manifests it verifies; undefined for any. */
	databases?: readonly string[] | undefined;
}

/** An object of JSON that may have a MAC. */
type Signable = object & { mac?: unknown };

/** A manifest, and the key that signed it; null if no key was given or none fits. */
export interface OpenedManifest {
	manifest: Manifest;
	key: BackupKey | null;
}

/** Derives the keys from a secret, by HKDF-SHA256 (RFC 5869) with a label for each use. */
export function deriveKey(secret: Uint8Array): BackupKey {
	const derive = (label: string) =>
		new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), label, KEY_BYTES));
	return {
		mac: derive('lifeboat manifest mac 1'),
		proof: derive('lifeboat proof mac 1'),
		digest: derive('lifeboat digest 1'),
		summary: derive('lifeboat summary mac 1'),
		health: derive('lifeboat health mac 1'),
		keep: derive('lifeboat keep mac 1'),
		ticket: derive('lifeboat resume ticket 1'),
		state: derive('lifeboat backup state 1'),
	};
}

/** The manifest with its MAC. */
export function signManifest(manifest: Manifest, key: BackupKey): Manifest {
	return { ...manifest, mac: macOf(manifest, key.mac) };
}

/**
 * Reads a manifest and checks its MAC, which any of the keys may have made; one with an end only if
 * the backup, by its name, started before that. Without keys nothing is checked. With `unsigned`, a
 * manifest is accepted even if no key fits.
 *
 * Throws `manifest_unsigned`, `manifest_forged` or `manifest_elsewhere` (422), `manifest_unreadable` (500).
 */
export function openManifest(
	text: string,
	keys: readonly BackupKey[],
	{ unsigned = false } = {},
): OpenedManifest {
	const manifest = parseManifest(text);
	const key = signerOf(JSON.parse(text) as Signable, 'mac', keys, startOf(manifest.name));
	if (key === null && keys.length > 0 && !unsigned) {
		throw manifest.mac === undefined ? manifestUnsigned() : manifestForged();
	}
	if (key?.databases?.includes(manifest.database) === false) throw manifestElsewhere();
	return { manifest, key };
}

/**
 * The summary of a manifest for its metadata, with a MAC that also covers the database and the etag of the
 * manifest's object. So a list tells which backups are the app's own without reading their manifests. Null
 * if it does not fit.
 */
export function printSignedSummary(
	manifest: Manifest,
	etag: string,
	key: BackupKey | null,
): string | null {
	const text = printSummary(manifest);
	if (text === null || key === null) return text;
	const summary = JSON.parse(text) as Signable;
	const { database } = manifest;
	const mac = macOf({ ...summary, database, etag }, key.summary);
	// Appended as text, because the rest is in ASCII.
	return `${text.slice(0, -1)},${JSON.stringify({ database, mac }).slice(1)}`;
}

/**
 * Whether a summary that was read from metadata is signed by one of the keys, for one of the databases that
 * the key is for, and belongs to an object with this etag. Without keys, any is.
 */
export function isSignedSummary(text: string, etag: string, keys: readonly BackupKey[]): boolean {
	if (keys.length === 0) return true;
	const summary = JSON.parse(text) as Signable & { name: string; database?: string };
	const signed = { ...summary, etag };
	const key = signerOf(signed, 'summary', keys, startOf(summary.name));
	return key !== null && key.databases?.includes(summary.database ?? '') !== false;
}

/** The proof with its MAC. */
export function signProof(proof: Proof, key: BackupKey): Proof {
	return { ...proof, mac: macOf(proof, key.proof) };
}

/** Reads a stored proof; null if it cannot be read, or if there are keys and none of them signed it. */
export function openProof(text: string | undefined, keys: readonly BackupKey[]): Proof | null {
	const proof = parseProof(text);
	if (proof === null || text === undefined) return null;
	const signed = JSON.parse(text) as Signable;
	return isSigned(signed, keys, proof.finishedAt) ? proof : null;
}

/**
 * What a list needs of a proof as JSON, with a MAC of its own that covers the backup's name too: so a
 * list need not read the proofs.
 */
export function printProofSummary(
	backup: string,
	summary: ProofSummary,
	key: BackupKey | null,
): string {
	const mac = key && macOf({ ...summary, backup }, key.proof);
	return JSON.stringify({ ...summary, ...(mac && { mac }) });
}

/** Reads it; null if it cannot be read, or if there are keys and none of them signed it. */
export function openProofSummary(
	backup: string,
	text: string | undefined,
	keys: readonly BackupKey[],
): ProofSummary | null {
	const summary = parseProofSummary(text);
	if (summary === null || text === undefined) return null;
	const signed = { ...(JSON.parse(text) as Signable), backup };
	return isSigned(signed, keys, summary.at) ? summary : null;
}

/** The MAC of what the app remembers of its databases. */
export function healthMac(remembered: object, { health }: BackupKey): string {
	return macOf(remembered, health);
}

/** Whether a key that was not replaced has signed it; without keys, anything counts. */
export function isHealthMac(mac: string, remembered: object, keys: readonly BackupKey[]): boolean {
	const current = keys.filter(({ until }) => until === undefined);
	return keys.length === 0 || current.some((key) => isMac(mac, healthMac(remembered, key)));
}

/** What retention keeps in the bucket, and when it was written, in milliseconds since 1970. */
type Kept = Record<string, unknown> & { at: number };

/** The MAC of what retention keeps in the bucket. */
export function keepMac(kept: Kept, { keep }: BackupKey): string {
	return macOf(kept, keep);
}

/** Whether one of the keys has signed it, a replaced one only before its end; without keys, anything counts. */
export function isKeepMac(mac: string, kept: Kept, keys: readonly BackupKey[]): boolean {
	return keys.length === 0 || signerOf({ ...kept, mac }, 'keep', keys, kept.at) !== null;
}

/**
 * Replaces each digest with an HMAC-SHA256 over the digest and the name of what it is for. Without
 * the key that reveals nothing, not even which tables have the same rows. Names and counts stay
 * readable.
 */
export function hideDigests<T extends Core>(core: T, key: BackupKey): T {
	const hidden = <D extends { sha256: string }>(what: string, described: D): D => ({
		...described,
		sha256: hide(what, described.sha256, key),
	});
	return {
		...core,
		schema: hidden('schema', core.schema),
		tables: core.tables.map((table) => hidden(`table ${table.name}`, table)),
	};
}

/**
 * What a manifest says about the SQL of a slice, of which the SHA-256 is given in hexadecimal: the SHA-256
 * itself, or with the key of an encrypted backup an HMAC over it, as {@link hideDigests} does.
 */
export function sliceDigest(sha256: string, key: BackupKey | null): string {
	return key ? hide('slice', sha256, key) : sha256;
}

function hide(what: string, sha256: string, { digest }: BackupKey): string {
	return createHmac('sha256', digest).update(`${what}\n${sha256}`).digest('hex');
}

function isSigned(signed: Signable, keys: readonly BackupKey[], at: string): boolean {
	return keys.length === 0 || signerOf(signed, 'proof', keys, Date.parse(at)) !== null;
}

/** The key that signed something of this date, in milliseconds since 1970; null if none did. */
function signerOf(
	{ mac, ...rest }: Signable,
	use: 'mac' | 'proof' | 'summary' | 'keep',
	keys: readonly BackupKey[],
	at: number,
): BackupKey | null {
	const inTime = keys.filter(({ until }) => until === undefined || at < until);
	return inTime.find((key) => isMac(mac, macOf(rest, key[use]))) ?? null;
}

/** HMAC-SHA256 over the canonical JSON, in hexadecimal. */
function macOf(value: object, key: Uint8Array): string {
	return createHmac('sha256', key).update(canonicalJson(value)).digest('hex');
}

function isMac(text: unknown, mac: string): boolean {
	const given = Buffer.from(typeof text === 'string' ? text : '');
	const expected = Buffer.from(mac);
	return given.length === expected.length && timingSafeEqual(given, expected);
}

/** RFC 8785: no white space, and the names of each object sorted by UTF-16 code units. */
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
		'The manifest of this backup is not signed: it is older than signed manifests, or Lifeboat did not write it.',
		{
			code: 'manifest_unsigned',
			status: 422,
			hint: 'If you are sure that the backup is yours, run `npm run drill` or `npm run restore` with --unsigned.',
		},
	);
}

function manifestElsewhere(): LifeboatError {
	return new LifeboatError('This is a backup of another database of the app.', {
		code: 'manifest_elsewhere',
		status: 422,
		hint: "Move its files back to where that database's backups lie, and name the database in the call.",
	});
}

function manifestForged(): LifeboatError {
	return new LifeboatError(
		'The manifest of this backup was changed, or was signed with a secret that this app does not have.',
		{
			code: 'manifest_forged',
			status: 422,
			hint: 'Use another backup. If the app has BACKUP_MAC_KEY, set it here too. If the secret that signs was changed, set the old one as well: as BACKUP_MAC_KEY_PREVIOUS with its end, or as TOTP_SECRET_PREVIOUS where TOTP_SECRET signs. If you are sure that the backup is yours, run `npm run drill` or `npm run restore` with --unsigned.',
		},
	);
}
