import type { Mutation } from './mutation.ts';

const BACKUP = 'src/lib/server/backup';
const DIFFERENTIALS = ['tests/properties/differentials.test.ts'];
const KINDS = [`${BACKUP}/make/differential.test.ts`];

/** Faults in what a differential takes from its parent, and in where slices end. */
export const differentials: Mutation[] = [
	{
		title: 'a slice is taken from the wrong place of the parent',
		file: `${BACKUP}/make/slices.ts`,
		right: "return addToRuns(this.runs, 'parent', unchanged);",
		wrong: "return addToRuns(this.runs, 'parent', Math.max(1, unchanged - 1));",
		tests: DIFFERENTIALS,
	},
	{
		title: 'slices are compared by how they begin',
		file: `${BACKUP}/make/slices.ts`,
		right: 'sliceDigest(sha256Of(sql), this.#digestKey)',
		wrong: 'sliceDigest(sha256Of(sql.subarray(0, 500)), this.#digestKey)',
		tests: DIFFERENTIALS,
	},
	{
		title: 'what a step has of a slice is lost in the next step',
		file: `${BACKUP}/make/slices.ts`,
		right: "this.#chunks = job.openSlice === '' ? [] : [Buffer.from(job.openSlice)];",
		wrong: 'this.#chunks = [];',
		tests: DIFFERENTIALS,
	},
	{
		title: 'a slice that goes on in the next step ends later',
		file: `${BACKUP}/dump/inserts.ts`,
		right: 'new SliceBounds(table, open?.slice, sizes)',
		wrong: 'new SliceBounds(table, null, sizes)',
		tests: DIFFERENTIALS,
	},
	{
		title: 'slices of the parent are in a row that are not',
		file: `${BACKUP}/format/slices.ts`,
		right: 'last?.of === of && last.last + 1 === number',
		wrong: 'last?.of === of && last.last < number',
		tests: DIFFERENTIALS,
	},
	{
		title: 'the list for plain tools joins slices that are not neighbours',
		file: `${BACKUP}/format/slices.ts`,
		right: 'const follows = last?.volume === volume && last.offset + last.bytes === offset;',
		wrong: 'const follows = last?.volume === volume;',
		tests: DIFFERENTIALS,
	},
	{
		title: 'a differential rests on a backup with another schema',
		file: `${BACKUP}/make/parent.ts`,
		right: 'return current.schema.sha256 === schema.sha256;',
		wrong: 'return current.schema.sha256.length === schema.sha256.length;',
		tests: KINDS,
	},
	{
		title: 'a full backup never becomes too old to rest on',
		file: `${BACKUP}/make/parent.ts`,
		right: 'since: now() - fullDays * DAY_MS',
		wrong: 'since: now() - 52 * fullDays * DAY_MS',
		tests: KINDS,
	},
];
