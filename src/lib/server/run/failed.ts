import { LifeboatError } from '../errors.ts';
import type { RunStep } from './step.ts';

/** Names in a sentence. */
const MAX_NAMES = 20;

/** `databases_failed` (500), with what the last call of the run has done. */
export class DatabasesFailed extends LifeboatError {
	readonly #step: Pick<RunStep, 'done' | 'databases'>;

	constructor({ failed, done, databases }: RunStep) {
		const more = failed.length - MAX_NAMES;
		const names = failed.slice(0, MAX_NAMES).join(', ') + (more > 0 ? ` and ${more} more` : '');
		super(`The backups of ${failed.length} of ${databases.total} databases failed: ${names}.`, {
			code: 'databases_failed',
			status: 500,
			hint: 'The others have been made. `npm run journal -- --refused` shows why these failed; then start again, with "when": "due" for these alone.',
		});
		this.#step = { done, databases };
	}

	override toJSON() {
		return { ...super.toJSON(), ...this.#step };
	}
}
