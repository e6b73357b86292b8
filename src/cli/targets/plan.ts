import type { Survey } from '../../lib/server/backup/restore/survey.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import type { Progress } from '../terminal/progress.ts';
import type { Plan, Target } from './target.ts';

/** Shows on the terminal how far a restore is. */
export function reportTo(
	{ title }: Target,
	survey: Survey,
	progress: Progress,
): Plan['onProgress'] {
	const titles = {
		restore: `restore: into ${title}`,
		compare: 'compare: the result with what the backup says',
	};
	let current = '';
	return (bytes, step) => {
		if (step !== current) progress.step(titles[step]);
		current = step;
		progress.bytes(bytes, survey.bytes);
	};
}

/** The names of tables in the backup's spelling. Throws `table_unknown` (400). */
export function knownTables(names: string[], { tableNames }: Survey): string[] {
	return names.map((name) => {
		const found = tableNames.find((known) => known.toLowerCase() === name.toLowerCase());
		if (found === undefined) throw tableUnknown(name, tableNames);
		return found;
	});
}

function tableUnknown(name: string, known: string[]): LifeboatError {
	const message = `The backup has no table ${JSON.stringify(name)}. Nothing was changed.`;
	const hint = `It has: ${known.join(', ')}.`;
	return new LifeboatError(message, { code: 'table_unknown', status: 400, hint });
}
