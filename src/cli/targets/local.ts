import { setTimeout as sleep } from 'node:timers/promises';
import { restoreInto } from '../../lib/server/backup/restore/apply.ts';
import { survey } from '../../lib/server/backup/restore/survey.ts';
import { openBackup } from '../backup-source.ts';
import type { Context } from '../command.ts';
import { EmbeddedDatabase } from '../embedded/database.ts';
import { shellWord } from '../text.ts';
import { countRows, keepInFile, namesIn, restoreDatabase, stateOf } from './d1.ts';
import type { Target } from './target.ts';

/** Where wrangler keeps the embedded D1 when nobody says otherwise (wrangler: --persist-to). */
const STATE = '.wrangler/state';

/** The embedded database `DB` of wrangler.toml, in the usual folder or in another. */
export function openLocal(folder: string | undefined, context: Context): Target {
	const persistTo = folder ?? STATE;
	const word = folder === undefined ? 'local' : `local:${folder}`;
	const database = new EmbeddedDatabase({ kind: 'configured', persistTo });
	return {
		name: 'local',
		title: `the local database in ${persistTo}`,
		contents: () => namesIn(database),
		async keep() {
			const file = await keepInFile(database, context);
			return { file, undo: `npm run restore -- ${file} --to ${shellWord(word)} --replace` };
		},
		restore: (plan) => restoreDatabase(database, plan),
		async recover(plan) {
			const state = await stateOf(database, plan);
			if (state === 'unchanged') return 'Nothing in it was changed.';
			if (plan.kept === null) {
				return state === 'empty'
					? 'It is empty.'
					: 'It holds a part of the backup, which the next restore removes.';
			}
			context.progress.step(`put back: ${plan.kept.file}`);
			await putBack(database, plan.kept.file, context);
			return 'What was there before is back.';
		},
		count: (tables) => countRows(database, tables),
	};
}

/** Also after Ctrl-C, which has no say in this any more. */
async function putBack(
	database: EmbeddedDatabase,
	file: string,
	{ progress }: Context,
): Promise<void> {
	const unstoppable = { progress, signal: new AbortController().signal };
	const { sql, totalBytes } = await openBackup(file, unstoppable);
	const onProgress = ({ bytes }: { bytes: number }) => progress.bytes(bytes, totalBytes);
	await restoreInto(database, sql, { survey: await survey(sql), sleep, onProgress });
	progress.clear();
}
