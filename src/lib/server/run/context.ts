import { backupBudget, engineOf } from '../backup/settings.ts';
import { type Environment, environmentOf, placeOf } from '../environment.ts';
import type { Entry } from '../operations/audit-log.ts';
import { operationsOf } from '../operations/index.ts';
import type { RunContext } from './call.ts';

/**
 * What a run over all databases of an app at an address works with. Throws LifeboatError (500) if a
 * setting is missing or not valid.
 */
export function runContext(
	env: Environment | undefined,
	url: Pick<URL, 'origin'>,
	caller: Entry['caller'],
): RunContext {
	return {
		databases: placeOf(env).databases,
		budget: backupBudget(env),
		operations: { ...operationsOf(env, url), isOneOfSeveral: false },
		caller,
		operationsOf(database) {
			const operations = operationsOf(environmentOf(env, database), url);
			// The pings are those of the run.
			return { ...operations, settings: { ...operations.settings, ping: null } };
		},
		engineOf: (database) => engineOf(environmentOf(env, database)),
	};
}
