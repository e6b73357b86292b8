import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BackupApi } from '../../src/cli/client/api.ts';
import { type Manifest, parseManifest } from '../../src/lib/server/backup/format/manifest.ts';
import type { EncodingName } from '../../src/lib/server/backup/format/names.ts';
import type { Contender, Run } from '../contenders.ts';
import { profileWorker } from '../inspector.ts';
import { type DumpJob, emptyBucket } from '../jobs.ts';
import { measureWorkerd } from '../processes.ts';
import { serve, type Server } from '../server.ts';

const APP = resolve('.svelte-kit/cloudflare');
const ALONE = fileURLToPath(new URL('alone', import.meta.url));
/** TOTP_SECRET of the apps. */
export const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
/** The private key was discarded: nothing here is ever decrypted. */
export const RECIPIENT = 'age128zuee6wrt6e6nqdcnlaqt7372vlf95cmxey5arp80j7vr7nf4uqvmcu5a';
/** Relative difference allowed between the size asked for and that of the SQL. */
const TOLERANCE = 0.02;

/** The app's settings that affect the cost of a backup. */
interface Settings {
	encodings: EncodingName[];
	/** The plan sets the budget of one call. A backup that needs more runs in steps. */
	plan: 'free' | 'paid';
}

/** The engine in a Worker of its own: one call, into the counting bucket. */
export function lifeboatAlone(
	name: string,
	encodings: Settings['encodings'],
	baseline?: string,
): Contender<DumpJob> {
	const settings = { encodings, plan: 'paid' } as const;
	return {
		name,
		group: 'dump alone',
		baseline,
		async run(job) {
			await using server = await serve(job.project, ALONE, varsOf(settings));
			let text = '';
			const usage = await measureWorkerd(server.group, async () => {
				text = await postForText(server);
			});
			const manifest = manifestIn(text);
			verify(manifest, job, settings);
			return { ...usage, ...costOf(manifest) };
		},
		async profile({ project }) {
			await using server = await serve(project, ALONE, varsOf(settings));
			return await profileWorker(server.inspectorPort, () => postForText(server));
		},
	};
}

/** The built app, called over HTTP, with the embedded bucket. */
export function lifeboatApp(
	name: string,
	settings: Settings,
	baseline?: string,
): Contender<DumpJob> {
	return {
		name,
		group: 'end to end',
		baseline,
		async run(job) {
			await using server = await serve(job.project, APP, varsOf(settings));
			const api = new BackupApi(server.url, { TOTP_SECRET: SECRET }, new AbortController().signal);
			await api.list(); // loads the app before the clock starts
			let backup = '';
			const usage = await measureWorkerd(server.group, async () => {
				backup = (await api.create({ sleep: async () => {} })).name; // without the plan's pauses
			});
			const manifest = parseManifest(await api.manifest(backup));
			emptyBucket(job);
			verify(manifest, job, settings);
			return { ...usage, ...costOf(manifest) };
		},
	};
}

function varsOf({ encodings, plan }: Settings): Record<string, string> {
	return {
		TOTP_SECRET: SECRET,
		BACKUP_PLAN: plan,
		BACKUP_COMPRESSION: encodings.find((name) => name !== 'age') ?? 'off',
		BACKUP_AGE_RECIPIENTS: encodings.includes('age') ? RECIPIENT : '',
	};
}

async function postForText({ url }: Server): Promise<string> {
	const response = await fetch(url, { method: 'POST' });
	if (!response.ok) throw new Error(await response.text());
	return response.text();
}

function manifestIn(text: string): Manifest {
	const { manifest } = JSON.parse(text) as { manifest: object };
	return parseManifest(JSON.stringify(manifest));
}

function costOf({ cost, volumes }: Manifest): Partial<Run> {
	return {
		storedBytes: sum(volumes.map(({ bytes }) => bytes)),
		volumes: volumes.length,
		queries: cost.queries,
		rowsRead: cost.rowsRead,
	};
}

/** Throws unless the backup has the rows, the encodings and the size asked for. */
function verify({ tables, volumes }: Manifest, job: DumpJob, { encodings }: Settings): void {
	for (const [name, rows] of Object.entries(job.counts)) {
		const found = tables.find((table) => table.name === name)?.rows;
		if (found !== rows) throw new Error(`Table ${name} has ${found} rows, not ${rows}.`);
	}
	for (const volume of volumes) {
		if (String(volume.encodings) === String(encodings)) continue;
		throw new Error(`The backup is stored as ${['sql', ...volume.encodings].join('.')}.`);
	}
	const megabytes = sum(volumes.map(({ sqlBytes }) => sqlBytes)) / 1e6;
	if (Math.abs(megabytes / job.megabytes - 1) > TOLERANCE) {
		throw new Error(`The backup has ${megabytes} MB of SQL, not ${job.megabytes} MB.`);
	}
}

function sum(numbers: number[]): number {
	return numbers.reduce((total, number) => total + number, 0);
}
