import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { databaseFile, type RowCounts, seed } from './data.ts';

/** The size of the database that a job is about. */
interface Size {
	/** Millions of bytes of SQL in a plain Lifeboat backup. */
	megabytes: number;
	/** Rows in all tables together. */
	rows: number;
	/** Rows in each table. */
	counts: RowCounts;
}

/** A database to dump. */
export interface DumpJob extends Size {
	/** A folder with a wrangler.toml, and the embedded database where wrangler looks for it. */
	project: string;
	/** The SQLite file of that database. */
	file: string;
}

/** An SQL file to restore. */
export interface RestoreJob extends Size {
	file: string;
	/** The folder for the new embedded database. It does not exist yet. */
	target: string;
}

/** Sets up a folder as a wrangler project with a database of the given size. */
export async function prepareProject(project: string, megabytes: number): Promise<DumpJob> {
	copyFileSync('wrangler.toml', join(project, 'wrangler.toml'));
	const state = stateFolder(project);
	const counts = await seed(state, megabytes);
	const rows = Object.values(counts).reduce((sum, count) => sum + count, 0);
	return { megabytes, rows, counts, project, file: databaseFile(state) };
}

/** The folder in which wrangler keeps a project's embedded databases and buckets. */
export function stateFolder(project: string): string {
	return join(project, '.wrangler', 'state');
}

/** Empties the embedded bucket, so that every run starts with an empty one. */
export function emptyBucket({ project }: Pick<DumpJob, 'project'>): void {
	rmSync(join(stateFolder(project), 'v3', 'r2'), { recursive: true, force: true });
}
