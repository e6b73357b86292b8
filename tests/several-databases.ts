import { env } from 'cloudflare:workers';
import { lifeboat, type LifeboatOptions } from '../src/lib/index.ts';
import type { BackupSummary } from '../src/lib/server/backup/format/manifest.ts';
import { TOTP } from '../src/lib/totp.js';
import { SECRET } from './calls.ts';
import { reset } from './reset.ts';

// An app with three databases in one bucket, and the calls that back all of them up.

export const ORIGIN = 'https://other.example';
export const OPTIONS: LifeboatOptions = {
	databases: { shop: 'APP_DB', stats: 'STATS', logs: 'LOGS' },
	bucket: 'BACKUPS',
	hosts: [ORIGIN],
};

/** What the app has, for a test to change. */
export const bindings: Record<string, unknown> = {};

/** Empties everything, and gives each database a table. */
export async function resetSeveral(): Promise<void> {
	await reset();
	for (const name of Object.keys(bindings)) Reflect.deleteProperty(bindings, name);
	Object.assign(bindings, {
		...{ TOTP_SECRET: SECRET, BACKUP_PLAN: 'paid', BACKUPS: env.MY_BUCKET },
		...{ APP_DB: env.DB, STATS: env.COPY, LOGS: env.DRILL_DB },
	});
	await env.DB.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, what)');
	await env.COPY.exec('CREATE TABLE visits (id INTEGER PRIMARY KEY)');
	await env.DRILL_DB.exec('CREATE TABLE lines (id INTEGER PRIMARY KEY)');
}

export interface Call {
	method?: string;
	body?: object;
	accept?: string;
	options?: LifeboatOptions;
}

/** What the hook answers, with a fresh code. */
export async function ask(path: string, { body, accept, options = OPTIONS, ...call }: Call = {}) {
	const headers = new Headers(body ? { 'Content-Type': 'application/json' } : {});
	if (accept) headers.set('Accept', accept);
	const code = await new TOTP(SECRET).generateLongCode(Date.now() / 1000);
	headers.set('Authorization', `Bearer ${code}`);
	const { objects } = await env.MY_BUCKET.list({ prefix: 'access/' });
	await env.MY_BUCKET.delete(objects.map(({ key }) => key));
	const url = new URL(`/api/backup${path}`, ORIGIN);
	const request = new Request(url, { ...call, headers, body: body ? JSON.stringify(body) : null });
	const event = { request, url, platform: { env: bindings }, getClientAddress: () => '192.0.2.1' };
	return lifeboat(options).handle({ event, resolve: () => new Response("the app's own") });
}

export interface Ended {
	database: string;
	due?: boolean;
	backup?: BackupSummary;
	code?: string;
}

export interface Answer {
	success?: boolean;
	resume?: string;
	retryAfter?: number;
	step?: number;
	databases: { done: number; failed: number; total: number };
	done: Ended[];
	code?: string;
	error?: string;
}

export async function post(
	query: string,
	body?: object,
): Promise<{ status: number; answer: Answer }> {
	const response = await ask(query, { method: 'POST', ...(body && { body }) });
	return { status: response.status, answer: await response.json() };
}

export const begin = (when: 'always' | 'due' = 'always') =>
	post('?database=*', { action: 'backup', when });
export const resume = (ticket: string | undefined) =>
	post('?database=*', { action: 'resume', ticket: ticket ?? '' });

/** Takes all steps of a run, and returns the last answer and everything that was done. */
export async function run(
	first = begin(),
): Promise<{ status: number; done: Ended[]; answer: Answer }> {
	let { status, answer } = await first;
	const done = [...answer.done];
	while (answer.resume !== undefined) {
		({ status, answer } = await resume(answer.resume));
		done.push(...answer.done);
	}
	return { status, done, answer };
}

export async function namesIn(database: string): Promise<string[]> {
	const answer: { backups: { name: string }[] } = await (await ask(`?database=${database}`)).json();
	return answer.backups.map(({ name }) => name);
}

export const counts = async () =>
	Promise.all(['shop', 'stats', 'logs'].map(async (name) => (await namesIn(name)).length));

/** A database that answers nothing. */
export const broken = { withSession: () => ({ prepare: () => ({}), batch: () => refuse() }) };
export const refuse = () => Promise.reject(new Error('D1_ERROR: not authorized: SQLITE_AUTH'));

/** Rows for three steps on the free plan. */
export async function fillStats(): Promise<void> {
	const row = env.COPY.prepare('INSERT INTO visits (x) VALUES (zeroblob(1900000))');
	await env.COPY.exec('ALTER TABLE visits ADD COLUMN x');
	await env.COPY.batch(Array.from({ length: 10 }, () => row));
}
