import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createGunzip, createGzip } from 'node:zlib';
import { type Manifest, parseManifest } from '../src/lib/server/backup/format/manifest.ts';
import { type Case, CASES } from './differential/cases.ts';
import { type Cost, formatOutcomes, type Outcome, outcomesAsJson } from './differential/report.ts';
import { RECIPIENT, SECRET } from './dump/lifeboat.ts';
import { profileWorker } from './inspector.ts';
import { type DumpJob, stateFolder } from './jobs.ts';
import { measureWorkerd } from './processes.ts';
import { save } from './report.ts';
import { serve, type Server } from './server.ts';

// Backups of a database that has changed since the last full one. Each is compared with a full one that is
// made just before the change, by the same Worker. The bucket is in memory.

const WORKER = fileURLToPath(new URL('differential', import.meta.url));
/** The level of the library's own encoder. */
const GZIP_LEVEL = 3;

/** How backups are stored, and what is tried. */
interface Mode {
	name: string;
	vars: Record<string, string>;
	cases: Case[];
}

const unchanged = CASES.filter(({ name }) => name === 'nothing changed');
const MODES: Mode[] = [
	{ name: 'gzip', vars: {}, cases: CASES },
	{ name: 'zstd', vars: { BACKUP_COMPRESSION: 'zstd' }, cases: unchanged },
	{ name: 'gzip and age', vars: { BACKUP_AGE_RECIPIENTS: RECIPIENT }, cases: unchanged },
];

/** A backup and what it cost. */
interface Made extends Cost {
	manifest: Manifest;
}

/** Times the work of a server: by its process, or by the Worker's own CPU time. */
type Measure = (server: Server, work: () => Promise<void>) => Promise<Omit<Cost, 'storedBytes'>>;

const byProcess: Measure = async (server, work) => {
	const { seconds, cpuSeconds } = await measureWorkerd(server.group, work);
	return { seconds, cpuSeconds: cpuSeconds['workerd'] ?? 0 };
};
const byProfiler: Measure = async ({ inspectorPort }, work) => {
	const { seconds, workerCpuSeconds } = await profileWorker(inspectorPort, work);
	return { seconds, cpuSeconds: workerCpuSeconds };
};

/** Measures all cases, prints them, and writes them to bench/results/ unless `dry`. Throws if a backup is bad. */
export async function benchDifferential(
	job: DumpJob,
	{ rounds, dry }: { rounds: number; dry: boolean },
): Promise<void> {
	const before = join(job.project, 'before');
	cpSync(stateFolder(job.project), before, { recursive: true });
	const outcomes: Outcome[] = [];
	for (const mode of MODES) {
		const found = mode.cases.map((one): Outcome => emptyOutcome(mode, one));
		for (let round = 1; round <= rounds; round++) await run(job, mode, found, byProcess);
		await run(job, mode, found, byProfiler);
		outcomes.push(...found);
	}
	const whole = await wholeBytes(job);
	console.log(`\n${formatOutcomes(outcomes, job.megabytes, whole)}\n`);
	if (!dry) save('differential.json', outcomesAsJson(outcomes, job.megabytes, whole));
}

function emptyOutcome({ name: mode }: Mode, { name }: Case): Outcome {
	return { mode, name, kind: 'full', rounds: [], profile: null };
}

/** One round: a server on the database as it was at first, and all cases one after the other. */
async function run(job: DumpJob, mode: Mode, outcomes: Outcome[], measure: Measure): Promise<void> {
	await using server = await serveAnew(job, mode.vars);
	await post(server, '/full'); // the first one also compiles the code
	for (const [index, { change, name }] of mode.cases.entries()) {
		await post(server, '/empty');
		const full = await backUp(server, '/full', measure);
		const statements = change(job.counts);
		if (statements.length > 0) await post(server, '/sql', statements);
		const next = await backUp(server, '/auto', measure);
		await requireProven(server, next);
		const outcome = outcomes[index];
		if (!outcome) continue;
		outcome.kind = next.manifest.kind;
		const pair = { full: costOf(full), next: costOf(next) };
		if (measure === byProcess) outcome.rounds.push(pair);
		else outcome.profile = pair;
		console.error(`${job.megabytes} MB, ${mode.name}, ${name}: ${next.seconds.toFixed(2)} s`);
	}
}

function costOf({ storedBytes, seconds, cpuSeconds }: Made): Cost {
	return { storedBytes, seconds, cpuSeconds };
}

/** Serves the database as it was at first. */
async function serveAnew({ project }: DumpJob, vars: Record<string, string>): Promise<Server> {
	const state = stateFolder(project);
	rmSync(state, { recursive: true });
	cpSync(join(project, 'before'), state, { recursive: true });
	return serve(project, WORKER, { TOTP_SECRET: SECRET, ...vars });
}

async function backUp(server: Server, path: '/full' | '/auto', measure: Measure): Promise<Made> {
	let answer = { manifest: {}, storedBytes: 0 };
	const cost = await measure(server, async () => {
		answer = (await post(server, path)) as typeof answer;
	});
	const manifest = parseManifest(JSON.stringify(answer.manifest));
	return { ...cost, manifest, storedBytes: answer.storedBytes };
}

async function requireProven(server: Server, { manifest: { name } }: Made): Promise<void> {
	const proof = (await post(server, '/verify', name)) as { proven: boolean; differences: string[] };
	if (!proof.proven) throw new Error(`${name} is bad: ${proof.differences.join(' ')}`);
}

/** Bytes of a full backup with gzip if the compressor went through it as a whole, without slices. */
async function wholeBytes(job: DumpJob): Promise<number> {
	await using server = await serveAnew(job, {});
	const { manifest } = (await post(server, '/full')) as { manifest: Manifest };
	let bytes = 0;
	const gzip = createGzip({ level: GZIP_LEVEL }).on('data', (chunk: Buffer) => {
		bytes += chunk.length;
	});
	for (const { key } of manifest.volumes) {
		const { body } = await fetch(`${server.url}/${key}`);
		if (body === null) throw new Error(`${key} is missing.`);
		const sql = Readable.fromWeb(body as never).pipe(createGunzip());
		for await (const chunk of sql) gzip.write(chunk);
	}
	await new Promise((resolve) => gzip.once('end', resolve).end());
	return bytes;
}

async function post({ url }: Server, path: string, body: unknown = null): Promise<unknown> {
	const response = await fetch(url + path, { method: 'POST', body: JSON.stringify(body) });
	if (!response.ok) throw new Error(await response.text());
	return response.json();
}
