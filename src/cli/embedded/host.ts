// The process that runs workerd for ./database.ts. It is a process of its own because Ctrl-C, which
// reaches every process of a terminal's group, must not end the database in the middle of a restore,
// and because wrangler takes a second to load. It ends when the process that started it does.
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unstable_readConfig, unstable_startWorker } from 'wrangler';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { DatabaseChoice, HostMessage } from './database.ts';

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
const COMPATIBILITY_DATE = '2026-11-01';

process.once('disconnect', () => process.exit());
const [, , choice = ''] = process.argv;
try {
	const url = await start(JSON.parse(choice) as DatabaseChoice);
	tell({ url: url.href });
} catch (error) {
	if (error instanceof LifeboatError) tell({ refused: error.toJSON() });
	else tell({ failed: error instanceof Error ? causes(error) : String(error) });
}

async function start(database: DatabaseChoice): Promise<URL> {
	const remote = database.kind === 'remote';
	const id = databaseId(database);
	if (database.kind !== 'remote') tell({ file: fileOf(database.persistTo, id) });
	const worker = await unstable_startWorker({
		name: 'lifeboat-restore',
		entrypoint: WORKER,
		compatibilityDate: COMPATIBILITY_DATE,
		bindings: {
			DB: { type: 'd1', database_id: id, ...(remote ? { remote } : {}) },
			TOKEN: { type: 'plain_text', value: process.env['LIFEBOAT_TOKEN'] ?? '' },
		},
		dev: {
			persist: database.kind === 'remote' ? false : database.persistTo,
			...(remote ? {} : { remote: false }),
			server: { hostname: '127.0.0.1', port: 0 },
			inspector: false,
			logLevel: 'none',
			watch: false,
			envFiles: [],
		},
	});
	const failed = once(worker.raw, 'error').then(([event]) => {
		throw event.cause ?? event;
	});
	await Promise.race([worker.fetch('http://host'), failed]); // ready would not wait for the database
	return worker.url;
}

/** An entry of wrangler.toml; wrangler's own type of it comes out as `any`. */
interface ConfiguredDatabase {
	binding: string;
	database_id?: string;
	preview_database_id?: string;
}

/** The id by which wrangler's commands, too, find a database in a folder. */
function databaseId(database: DatabaseChoice): string {
	if (database.kind === 'remote') return database.id;
	if (database.kind === 'new') return 'new';
	const { d1_databases } = unstable_readConfig({}) as { d1_databases: ConfiguredDatabase[] };
	const entry = d1_databases.find(({ binding }) => binding === 'DB');
	if (!entry) throw noDatabase();
	return entry.preview_database_id ?? entry.database_id ?? entry.binding;
}

/**
 * Where the embedded D1 keeps a database: a Durable Object, whose file is named by the id that
 * workerd makes of its name (workerd, actor-id-impl.c++).
 */
function fileOf(persistTo: string, id: string): string {
	const namespace = 'miniflare-D1DatabaseObject';
	const key = createHash('sha256').update(namespace).digest();
	const hmac = (data: string | Buffer) =>
		createHmac('sha256', key).update(data).digest().subarray(0, 16);
	const name = hmac(id);
	const object = Buffer.concat([name, hmac(name)]).toString('hex');
	return join(persistTo, 'v3', 'd1', namespace, `${object}.sqlite`);
}

function noDatabase(): LifeboatError {
	return new LifeboatError('No wrangler.toml here has a D1 database with the binding DB.', {
		code: 'db_binding_missing',
		status: 500,
		hint: 'Run this in the folder of the app.',
	});
}

/** Of wrangler's errors the last cause is the one that tells something. */
function causes(error: Error): string {
	return error.cause instanceof Error ? `${error.message}: ${causes(error.cause)}` : error.message;
}

function tell(message: HostMessage): void {
	process.send?.(message);
}
