import type {
	BackupDetail,
	ProofRow,
	RestoreFacts,
	TableRow,
} from '../../components/detail-types.ts';
import type { LogEntry } from '../../components/types.ts';
import type { ListedBackup, Manifest } from '../backup/format/manifest.ts';
import { backupOfFile, manifestKey, sliceListKey } from '../backup/format/names.ts';
import { proofPrefix } from '../backup/format/proof.ts';
import { openProof } from '../backup/format/signature.ts';
import { backupNotFound, findManifest, readManifest, readText } from '../backup/storage/bucket.ts';
import { listObjects } from '../backup/storage/list.ts';
import { toLifeboatError } from '../errors.ts';
import { type Facts, readFacts } from './facts.ts';
import { about, recentLog } from './log.ts';
import { showRows } from './show.ts';
import { type Common, commonOf, type Visit } from './visit.ts';

/** Proofs and lines of the audit log on a page, each proof for one call of R2. */
const MAX_PROOFS = 10;
const MAX_LINES = 50;

/** The page of one backup. */
export interface BackupPage extends Common {
	backup: BackupDetail;
	restore: RestoreFacts;
	/** Whether the app has a database for drills, and can read the backup. */
	mayDrill: boolean;
}

/**
 * Reads the page of a backup. Throws `backup_not_found` (404), `manifest_unsigned` or `manifest_forged` (422),
 * `manifest_unreadable`, `storage_error` (500), and what settings throw.
 */
export async function backupPage(visit: Visit, name: string): Promise<BackupPage> {
	if (backupOfFile(manifestKey(name)) !== name) throw backupNotFound();
	const facts = await readFacts(visit, 'all');
	const { bucket, keys } = facts.engine;
	const { manifest } = await readManifest(bucket, manifestKey(name), keys);
	const index = facts.backups.findIndex((one) => one.name === name);
	const listed = facts.backups[index];
	if (listed === undefined) throw backupNotFound();
	const [previous, parent, proofs, { entries }] = await Promise.all([
		previousOf(facts, index),
		manifest.parent === null ? null : ownManifest(facts, manifest.parent),
		proofsOf(facts, name),
		recentLog(facts.operations),
	]);
	const log = about(facts.operations, entries).filter((entry) => isAbout(entry, name));
	const backup = showDetail(facts, listed, { manifest, previous, proofs, log });
	return {
		backup,
		restore: showRestore(visit, manifest, parent),
		mayDrill: visit.env.DRILL_DB !== undefined && manifest.encryption === null,
		...commonOf(visit),
	};
}

interface Parts {
	manifest: Manifest;
	previous: Manifest | null;
	proofs: ProofRow[];
	log: LogEntry[];
}

function showDetail(
	facts: Facts,
	listed: ListedBackup,
	{ manifest, previous, proofs, log }: Parts,
): BackupDetail {
	const { name, snapshot, tables } = manifest;
	const [row] = showRows(facts, [listed]);
	if (row === undefined) throw backupNotFound();
	const gone = previous?.tables.filter((old) => !tables.some((table) => table.name === old.name));
	return {
		...row,
		signed: true,
		...{ finishedAt: manifest.finishedAt, database: manifest.database },
		attempts: snapshot.attempts,
		waitedMs: snapshot.waitedMs ?? null,
		bookmark: snapshot.bookmark,
		previous: previous?.name ?? null,
		tables: tables.map((table) => showTable(table, previous)),
		gone: (gone ?? []).map(({ name, rows, bytes }) => ({ name, rows, bytes })),
		volumes: manifest.volumes.map(({ key, bytes, sqlBytes, sha256 }) => ({
			...{ key, bytes, sqlBytes, sha256 },
		})),
		warningTexts: manifest.warnings,
		...{ proofs, log: log.slice(0, MAX_LINES), parent: manifest.parent },
		dependants: facts.backups.filter(({ parent }) => parent === name).map((child) => child.name),
		recipients: manifest.encryption?.recipients ?? [],
		version: manifest.engine.version,
	};
}

function showTable(
	{ name, rows, bytes }: Manifest['tables'][number],
	previous: Manifest | null,
): TableRow {
	const old = previous?.tables.find((table) => table.name === name);
	return { name, rows, bytes, before: old ? { rows: old.rows, bytes: old.bytes } : null };
}

function showRestore(visit: Visit, manifest: Manifest, parent: Manifest | null): RestoreFacts {
	const { name, kind, startedAt, volumes, database, snapshot } = manifest;
	const keys = volumes.map(({ key }) => key);
	return {
		...{ name, kind, startedAt, database: commonOf(visit).database, binding: database },
		app: visit.url.origin,
		files: manifest.parent === null ? keys : keys.slice(0, 1), // the first one comes whole
		objects: [manifest, ...(parent ? [parent] : [])].flatMap(objectsOf),
		bookmark: snapshot.bookmark,
	};
}

/** The keys of what a backup consists of, its proofs aside. */
function objectsOf({ name, volumes, slices }: Manifest): string[] {
	const lists = slices === undefined ? [] : [sliceListKey(name)];
	return [manifestKey(name), ...lists, ...volumes.map(({ key }) => key)];
}

/** The manifest of the backup before, if it is one of the app's own. */
async function previousOf({ backups, engine }: Facts, index: number): Promise<Manifest | null> {
	const before = backups.slice(index + 1).find(({ signed }) => signed !== false);
	return before === undefined ? null : ownManifest({ engine }, before.name);
}

/** A manifest, if there is one and the app has signed it. */
async function ownManifest(
	{ engine }: Pick<Facts, 'engine'>,
	name: string,
): Promise<Manifest | null> {
	try {
		return await findManifest(engine.bucket, name, engine.keys);
	} catch (error) {
		if (toLifeboatError(error).status < 500) return null;
		throw error;
	}
}

/** The newest proofs, newest first, of those that the app has signed. */
async function proofsOf({ engine }: Facts, name: string): Promise<ProofRow[]> {
	const { bucket, keys } = engine;
	const found: string[] = [];
	for await (const { key } of listObjects(bucket, proofPrefix(name))) found.push(key);
	const texts = found.slice(-MAX_PROOFS).map((key) => readText(bucket, key));
	const proofs = (await Promise.all(texts)).map((text) => openProof(text, keys));
	return proofs.toReversed().flatMap((proof): ProofRow[] => {
		if (proof?.backup !== name) return [];
		const { kind, by, startedAt, finishedAt, proven, scope, differences } = proof;
		const durationMs = Date.parse(finishedAt) - Date.parse(startedAt);
		return [{ at: finishedAt, kind, by, durationMs, proven, scope, differences }];
	});
}

function isAbout({ backup }: LogEntry, name: string): boolean {
	return backup === name || (backup !== undefined && backupOfFile(backup) === name);
}
