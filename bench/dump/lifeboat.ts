import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BackupApi } from '../../src/cli/client/api.ts';
import { type Manifest, parseManifest } from '../../src/lib/server/backup/format/manifest.ts';
import type { Contender } from '../contenders.ts';
import { profileWorker } from '../inspector.ts';
import { type DumpJob, emptyBucket } from '../jobs.ts';
import { measureWorkerd } from '../processes.ts';
import { serve, type Server } from '../server.ts';

const APP = resolve('.svelte-kit/cloudflare');
const ALONE = fileURLToPath(new URL('alone', import.meta.url));
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
/** Nobody has kept the key that opens what is encrypted for it. */
const RECIPIENT = 'age128zuee6wrt6e6nqdcnlaqt7372vlf95cmxey5arp80j7vr7nf4uqvmcu5a';
/** By how much the SQL may differ from the size that was asked for. */
const TOLERANCE = 0.02;

/** The settings of the app that change what a backup costs. */
interface Settings {
	encodings: ('gzip' | 'age')[];
	/** Whose budget a call has: a backup that needs more is made in steps. */
	plan: 'free' | 'paid';
}

/** The engine in a Worker of its own, with a bucket that costs nothing, in one call. */
export function lifeboatAlone(
	name: string,
	encodings: Settings['encodings'],
	baseline?: string,
): Contender<DumpJob> {
	const settings = { encodings, plan: 'paid' } as const;
	return {
		...{ name, group: 'dump alone', baseline },
		async run(job) {
			await using server = await serve(job.project, ALONE, varsOf(settings));
			let text = '';
			const usage = await measureWorkerd(server.group, async () => {
				text = await postForText(server);
			});
			return { ...usage, ...costOf(manifestIn(text), job, settings) };
		},
		async profile({ project }) {
			await using server = await serve(project, ALONE, varsOf(settings));
			return await profileWorker(server.inspectorPort, () => postForText(server));
		},
	};
}

/** A backup as the built app makes it, over HTTP, into the embedded bucket. */
export function lifeboatApp(
	name: string,
	settings: Settings,
	baseline?: string,
): Contender<DumpJob> {
	return {
		...{ name, group: 'end to end', baseline },
		async run(job) {
			await using server = await serve(job.project, APP, varsOf(settings));
			const api = new BackupApi(server.url, { TOTP_SECRET: SECRET }, new AbortController().signal);
			await api.list(); // so that everything is loaded
			let name = '';
			const usage = await measureWorkerd(server.group, async () => {
				name = (await api.create()).name;
			});
			const manifest = parseManifest(await api.manifest(name));
			emptyBucket(job);
			return { ...usage, ...costOf(manifest, job, settings) };
		},
	};
}

function varsOf({ encodings, plan }: Settings): Record<string, string> {
	return {
		TOTP_SECRET: SECRET,
		BACKUP_PLAN: plan,
		BACKUP_COMPRESSION: encodings.includes('gzip') ? 'gzip' : 'off',
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

/** What a backup has cost. Throws where it is not what was asked for. */
function costOf(manifest: Manifest, job: DumpJob, { encodings }: Settings) {
	const { tables, volumes } = manifest;
	const { queries, rowsRead } = manifest.cost;
	for (const [name, rows] of Object.entries(job.counts)) {
		const found = tables.find((table) => table.name === name)?.rows;
		if (found !== rows) throw new Error(`Table ${name} has ${found} rows, not ${rows}.`);
	}
	for (const volume of volumes) {
		if (String(volume.encodings) === String(encodings)) continue;
		throw new Error(`It is stored as ${['sql', ...volume.encodings].join('.')}.`);
	}
	const megabytes = sum(volumes.map(({ sqlBytes }) => sqlBytes)) / 1e6;
	if (Math.abs(megabytes / job.megabytes - 1) > TOLERANCE) {
		throw new Error(`It has ${megabytes} MB of SQL.`);
	}
	const storedBytes = sum(volumes.map(({ bytes }) => bytes));
	return { storedBytes, volumes: volumes.length, queries, rowsRead };
}

function sum(numbers: number[]): number {
	return numbers.reduce((total, number) => total + number, 0);
}
