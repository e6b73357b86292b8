import type { Outcome } from './server/dashboard/acts.ts';
import type { BackupPage } from './server/dashboard/detail.ts';
import type { Made } from './server/dashboard/make.ts';
import type { AccessPage, LogPage } from './server/dashboard/pages.ts';
import type { RunPage } from './server/dashboard/run.ts';
import type { RetentionPage, StatusPage } from './server/dashboard/status.ts';
import type { Knock, Visit } from './server/dashboard/visit.ts';

export type { Outcome } from './server/dashboard/acts.ts';
export type { BackupPage } from './server/dashboard/detail.ts';
export type { Made } from './server/dashboard/make.ts';
export type { AccessPage, LogPage } from './server/dashboard/pages.ts';
export type { RunPage } from './server/dashboard/run.ts';
export type { RetentionPage, Shown, StatusPage } from './server/dashboard/status.ts';
export type { Person } from './server/dashboard/visit.ts';

/**
 * The dashboard's pages and what can be done on them, for the routes of an app: a function that reads for each
 * page, and one for each form. They give plain values and throw LifeboatError, whose `status`, `message`,
 * `code` and `hint` the route shows. Each lets in whom the option `authorize` lets in, and nobody without it;
 * asks that a form comes from the app's own origin; and takes the database from `?database=`.
 *
 * Each throws `preview_refused`, `origin_foreign` (403), `sign_in_needed`, `session_too_old` (401),
 * `database_unknown` (404), and what `authorize` throws. Forms named with a code have its field `code`.
 */
export interface Dashboard<E> {
	/** The first page; `?after=` is the name after which its list starts. */
	status(event: E): Promise<StatusPage>;
	/** The page on which a backup is made and followed. */
	run(event: E): Promise<RunPage>;
	/** The page of one backup. Throws `backup_not_found` (404), `manifest_forged` (422). */
	backup(event: E, name: string): Promise<BackupPage>;
	/** What retention would do now. */
	retention(event: E): Promise<RetentionPage>;
	/** The audit log, by `?outcome=`, `?operation=`, `?caller=` and `?before=`. Throws `query_invalid` (400). */
	log(event: E): Promise<LogPage>;
	/** The lockout of six-digit codes. */
	access(event: E): Promise<AccessPage>;

	/** Starts a backup, and takes its first step. Throws `too_many_runs` (429), `backup_running` (409). */
	start(event: E): Promise<Made>;
	/** Takes the next step of the backup that waits. Throws `nothing_to_continue` (409). */
	proceed(event: E): Promise<Made>;
	/** Either of them (`?continue` for the next step), as JSON lines with its progress. */
	stream(event: E): Promise<Response>;
	/** Throws `too_many_runs` (429), `backup_differs` (422). */
	verify(event: E, name: string): Promise<Outcome>;
	/** The same, and `drill_database_missing`, `backup_encrypted` (409). */
	drill(event: E, name: string): Promise<Outcome>;

	/** With a code, and a `note`. */
	pin(event: E, name: string): Promise<Outcome>;
	/** With a code. */
	unpin(event: E, name: string): Promise<Outcome>;
	/** Marks for removal, with a code and the `name` typed. Throws `backup_needed`, `backup_kept` (409). */
	remove(event: E, name: string): Promise<Outcome>;
	/** Withdraws that mark, with a code. */
	unmark(event: E, name: string): Promise<Outcome>;
	/** Prunes now, with a code. */
	prune(event: E): Promise<Outcome>;
	/** A `file` of the backup as an attachment, with a code. */
	download(event: E, name: string): Promise<Response>;
	/** Lifts the lockout, with a code in its long form. */
	lift(event: E): Promise<Outcome>;
}

/** How a request becomes one that may be let in. */
type Opener<E> = (event: E) => Promise<Knock>;

/** The dashboard of an app. Its code is loaded with the first request for it. */
export function dashboardOf<E extends { request: Request }>(open: Opener<E>): Dashboard<E> {
	const visit = async (event: E): Promise<Visit> => {
		const { enter } = await import('./server/dashboard/visit.ts');
		return enter(await open(event));
	};
	const acts = () => import('./server/dashboard/acts.ts');
	const make = () => import('./server/dashboard/make.ts');
	const pages = () => import('./server/dashboard/pages.ts');
	const runs = () => import('./server/dashboard/run.ts');
	const states = () => import('./server/dashboard/status.ts');
	const form = ({ request }: E) => request.formData();
	return {
		status: async (event) => (await states()).statusPage(await visit(event)),
		retention: async (event) => (await states()).retentionPage(await visit(event)),
		log: async (event) => (await pages()).logPage(await visit(event)),
		access: async (event) => (await pages()).accessPage(await visit(event)),
		run: async (event) => (await runs()).runPage(await visit(event)),
		async backup(event, name) {
			const { backupPage } = await import('./server/dashboard/detail.ts');
			return backupPage(await visit(event), name);
		},
		start: async (event) => (await make()).makeStep(await visit(event), false),
		proceed: async (event) => (await make()).makeStep(await visit(event), true),
		async stream(event) {
			const { streamStep } = await make();
			const entered = await visit(event);
			return streamStep(entered, entered.url.searchParams.has('continue'));
		},
		verify: async (event, name) => (await acts()).prove(await visit(event), name, 'verify'),
		drill: async (event, name) => (await acts()).prove(await visit(event), name, 'drill'),
		pin: async (event, name) => (await acts()).pin(await visit(event), name, await form(event)),
		unpin: async (event, name) => (await acts()).unpin(await visit(event), name, await form(event)),
		remove: async (event, name) =>
			(await acts()).remove(await visit(event), name, await form(event)),
		unmark: async (event, name) =>
			(await acts()).unmark(await visit(event), name, await form(event)),
		prune: async (event) => (await acts()).prune(await visit(event), await form(event)),
		lift: async (event) => (await acts()).lift(await visit(event), await form(event)),
		async download(event, name) {
			const { download } = await import('./server/dashboard/download.ts');
			return download(await visit(event), name, await form(event));
		},
	};
}
