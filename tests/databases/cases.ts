import type { Case } from './case.ts';
import { keys, references, schemas, searches } from './schema-cases.ts';
import { longValues, rewritten, values } from './value-cases.ts';

/** The named cases, each a separate database. */
export const cases: Case[] = [
	...values,
	...rewritten,
	...longValues,
	...keys,
	...references,
	...searches,
	...schemas,
];
