import { backupOfFile, manifestKey } from '../../lib/server/backup/format/names.ts';
import { usageError } from '../terminal/arguments.ts';

/**
 * The one backup that a command line names, by its own name or that of one of its files. Throws `usage`
 * (400).
 */
export function namedBackup(command: string, words: readonly string[]): string {
	const [word, ...more] = words;
	if (word === undefined) throw usageError(command, 'Say which backup, by its name in the list.');
	if (more.length > 0) {
		throw usageError(command, `One backup at a time, not also ${more.join(' ')}.`);
	}
	const name = backupOfFile(word) ?? backupOfFile(manifestKey(word));
	if (name === null) throw usageError(command, `${word} is not the name of a backup.`);
	return name;
}
