import type { Mutation } from './mutation.ts';

const BACKUP = 'src/lib/server/backup';
const DIFFERENTIAL = `${BACKUP}/prove/differential.test.ts`;
const DAMAGES = 'tests/properties/damages.test.ts';

/** Faults in reading slices, and differentials with their parent. */
export const reading: Mutation[] = [
	{
		title: 'the stored bytes of a slice are not compared',
		file: `${BACKUP}/prove/reader.ts`,
		right: "if (hash.digest('hex') !== part.sha256) {",
		wrong: "if (hash.digest('hex') === '') {",
		tests: [`${BACKUP}/prove/reader.test.ts`, DAMAGES],
	},
	{
		title: 'a volume may go on after its end',
		file: `${BACKUP}/prove/reader.ts`,
		right: 'if (stream.at === bytes && !(await stream.isAtEnd())) {',
		wrong: 'if (stream.at > bytes && !(await stream.isAtEnd())) {',
		tests: [`${BACKUP}/prove/reader.test.ts`, DAMAGES],
	},
	{
		title: 'volumes stay open',
		file: `${BACKUP}/prove/reader.ts`,
		right: 'this.#streams.size >= MAX_OPEN',
		wrong: 'this.#streams.size > 2 * MAX_OPEN',
		tests: [`${BACKUP}/prove/reader.test.ts`],
	},
	{
		title: 'each gap opens the volume again',
		file: `${BACKUP}/prove/reader.ts`,
		right: 'after.offset - own <= gap',
		wrong: 'after.offset - own <= 0 * gap',
		tests: [`${BACKUP}/prove/reader.test.ts`],
	},
	{
		title: 'the SQL of a slice is not compared',
		file: `${BACKUP}/prove/decode.ts`,
		right: 'part.content !== null && part.content !== content',
		wrong: 'part.content !== null && part.content === content.slice(1)',
		tests: [`${BACKUP}/prove/verify.test.ts`],
	},
	{
		title: 'any signed backup is a parent',
		file: `${BACKUP}/format/parent.ts`,
		right: 'parent.mac !== undefined && parent.mac === child.parentMac',
		wrong: 'parent.mac !== undefined && child.parentMac !== undefined',
		tests: [DIFFERENTIAL],
	},
	{
		title: 'a bad proof of the parent changes nothing',
		file: `${BACKUP}/storage/chains.ts`,
		right: 'return isBad ?',
		wrong: 'return isBad && parent.name === backup.name ?',
		tests: [`${BACKUP}/storage/chains.test.ts`],
	},
	{
		title: 'the list of slices is not written again',
		file: `${BACKUP}/storage/slice-list.ts`,
		right: 'if (stored === undefined) await tryRepeatedly',
		wrong: "if (stored === '') await tryRepeatedly",
		tests: [DIFFERENTIAL],
	},
	{
		title: 'an age file ends a volume',
		file: `${BACKUP}/storage/age.ts`,
		right: 'while (rest.length > 0);',
		wrong: 'while (rest.length > Number.MAX_SAFE_INTEGER);',
		tests: [`${BACKUP}/storage/codec.formats.test.ts`],
	},
	{
		title: 'the app sends a differential without the slices of its parent',
		file: `${BACKUP}/prove/whole.ts`,
		right: "startsWith('incremental_')",
		wrong: "startsWith('none_')",
		tests: ['src/lib/server/http/routes/download.differentials.test.ts'],
	},
	{
		title: 'a differential is opened with --unsigned',
		file: 'src/cli/sources/backup.ts',
		right: 'opened.manifest.parent !== null && keys.unsigned',
		wrong: "opened.manifest.parent === '' && keys.unsigned",
		tests: ['src/cli/sources/differentials.test.ts'],
	},
	{
		title: 'a copy does not look for the full backup first',
		file: 'src/cli/commands/copy.ts',
		right: 'return parent !== null && listed.has(parent) ? [parent, name] : [name];',
		wrong: 'return parent !== null && listed.has(parent) ? [name, parent] : [name];',
		tests: ['src/cli/commands/copy.test.ts'],
	},
];
