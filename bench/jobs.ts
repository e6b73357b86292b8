import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { databaseFile, type RowCounts, seed } from './data.ts';

interface Size {
	megabytes: number;
	/** Rows of the database, in all tables and in each. */
	rows: number;
	counts: RowCounts;
}

/** A database that is to be dumped. */
export interface DumpJob extends Size {
	/** A folder with a wrangler.toml, and the embedded database where wrangler looks for it. */
	project: string;
	/** The SQLite file of that database. */
	file: string;
}

/** A file that is to be restored into the embedded database of a folder that is not there yet. */
export interface RestoreJob extends Size {
	file: string;
	target: string;
}

/** Makes a folder a project with a database of this size. */
export async function prepareProject(project: string, megabytes: number): Promise<DumpJob> {
	copyFileSync('wrangler.toml', join(project, 'wrangler.toml'));
	const state = stateOf(project);
	const counts = await seed(state, megabytes);
	const rows = Object.values(counts).reduce((sum, count) => sum + count, 0);
	return { megabytes, rows, counts, project, file: databaseFile(state) };
}

/** Where wrangler keeps the embedded databases and buckets of a project. */
export function stateOf(project: string): string {
	return join(project, '.wrangler', 'state');
}

/** Empties the embedded bucket, so that all find the same. */
export function emptyBucket({ project }: DumpJob): void {
	rmSync(join(stateOf(project), 'v3', 'r2'), { recursive: true, force: true });
}
