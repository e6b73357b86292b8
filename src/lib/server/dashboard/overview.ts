import type { DatabaseRow, Day, Verdict } from '../../components/types.ts';
import { byUrgency } from '../../components/urgency.ts';
import { environmentOf, placeOf } from '../environment.ts';
import { LifeboatError } from '../errors.ts';
import { NO_WEBHOOK } from '../operations/health.ts';
import { operationsOf } from '../operations/index.ts';
import { type Look, readLooks } from '../operations/looks.ts';
import { type Facts, readFacts } from './facts.ts';
import { about, recentLog } from './log.ts';
import { rememberOlder } from './older.ts';
import { showDays, showHoldings, showVerdict } from './show.ts';
import { verdictOf, worstVerdict } from './verdict.ts';
import type { Visit } from './visit.ts';

/**
 * Databases of which one page reads everything, the worst first: each takes about ten calls of R2, and on the
 * free plan a call of the app has 50. The others are shown as they were remembered by their last look.
 */
const MAX_READ = 3;

/** All databases of an app, the worst first, and the verdict of the app. Throws `storage_error` (500). */
export async function overview(
	visit: Visit,
): Promise<{ databases: DatabaseRow[]; verdict: Verdict }> {
	const { env } = visit;
	const operations = operationsOf(env, visit.url);
	const looks = await readLooks(operations);
	const remembered = placeOf(env)
		.databases.map((name) => rememberedRow(visit, name, looks[name]))
		.sort(worstFirst);
	const rows: DatabaseRow[] = [];
	for (const [index, row] of remembered.entries()) {
		const own = { ...visit, env: environmentOf(env, row.name) };
		rows.push(index < MAX_READ ? await readRow(own, row) : row);
	}
	const verdict = worstVerdict(rows);
	const also = operations.settings.webhook === null ? [NO_WEBHOOK] : [];
	return { databases: rows.sort(worstFirst), verdict: { ...verdict, also } };
}

function rememberedRow(
	{ env, url, now }: Visit,
	name: string,
	look: Look | undefined,
): DatabaseRow {
	const { settings } = operationsOf(env, url);
	const verdict = verdictOf({
		look: look ?? null,
		...{ provenAt: null, damaged: false, failing: null, lockedUntil: null, running: null },
		...{ hasWebhook: settings.webhook !== null, maxAgeMs: settings.maxAgeMs, now },
	});
	const newest = look?.backup ? new Date(look.backup).toISOString() : null;
	return { name, verdict, newest, backups: null, bytes: null };
}

/** A database that cannot be read shows why, and does not hide the others. */
async function readRow(visit: Visit, row: DatabaseRow): Promise<DatabaseRow> {
	try {
		const facts = await readFacts(visit, 'first');
		if (facts.isLong) visit.keepAlive(rememberOlder(facts, daysOf(facts)));
		const { backups, bytes } = showHoldings(facts, visit);
		const newest = facts.newest?.startedAt ?? null;
		return { name: row.name, verdict: showVerdict(facts), newest, backups, bytes };
	} catch (error) {
		if (!(error instanceof LifeboatError)) throw error;
		const { message: sentence, hint: advice } = error;
		return { ...row, verdict: { state: 'failing', tone: 'bad', sentence, also: [], advice } };
	}
}

async function daysOf(facts: Facts): Promise<Day[]> {
	const { entries, since } = await recentLog(facts.operations);
	return showDays(facts, about(facts.operations, entries), since);
}

function worstFirst(a: DatabaseRow, b: DatabaseRow): number {
	return byUrgency(a.verdict, b.verdict);
}
