import type { Case } from './case.ts';
import { keys, references, schemas, searches } from './schema-cases.ts';
import { longValues, rewritten, values } from './value-cases.ts';

/** The named cases: each is a database of its own. */
export const cases: Case[] = [
	...values,
	...rewritten,
	...longValues,
	...keys,
	...references,
	...searches,
	...schemas,
];
