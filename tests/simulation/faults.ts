import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('../../src/lib/server', import.meta.url));
/** Inside the project, so that its packages resolve; ignored by git. */
const COPIES = fileURLToPath(new URL('../../test-results/faults', import.meta.url));

/** A fault that the engine once had, as a replacement of text in one of its files. */
export interface Fault {
	title: string;
	/** The violation it causes. */
	violation: RegExp;
	edits: { file: string; right: string; wrong: string }[];
}

export const FAULTS: Fault[] = [
	{
		title: 'leftovers that cannot be removed stop a backup',
		violation: /A later backup fails/,
		edits: [
			{
				file: 'storage/leftovers.ts',
				right: 'await tryRepeatedly(() => clean(bucket, group, keys));',
				wrong: 'await clean(bucket, group, keys);',
			},
			{
				file: 'storage/leftovers.ts',
				right: `	await tryRepeatedly(async () => {
		const all = `,
				wrong: `	await (async (f) => f())(async () => {
		const all = `,
			},
		],
	},
	{
		title: 'a last step is repeated although its manifest is written',
		violation: /does not verify/,
		edits: [
			{
				file: 'index.ts',
				right: '	if (manifest) {',
				wrong: '	if (manifest && held?.name !== name) {',
			},
			{
				file: 'make/attempts.ts',
				right: "			onProgress({ event: 'restart', attempt: next.attempts });\n",
				wrong: `			onProgress({ event: 'restart', attempt: next.attempts });
			await removeStrays(engine.bucket, { name: job.name, volumes: [] });
`,
			},
			{
				file: 'make/attempts.ts',
				right: "import { LifeboatError } from '../../errors.ts';",
				wrong: `import { LifeboatError } from '../../errors.ts';
import { removeStrays } from '../storage/leftovers.ts';`,
			},
		],
	},
	{
		title: 'a stalled backup commits after it lost its lock',
		violation: /does not verify/,
		edits: [
			{ file: 'make/commit.ts', right: '	await lock.confirm();\n', wrong: '' },
			{
				file: 'make/step.ts',
				right: "import { requireUnused } from '../storage/bucket.ts';",
				wrong: "import { findManifest, requireUnused } from '../storage/bucket.ts';",
			},
			{
				file: 'make/step.ts',
				right: 'for (const name of names) await buryBackup(engine, name);',
				wrong: `for (const name of names) {
			const manifest = await findManifest(engine.bucket, name, engine.keys);
			if (!manifest) await removeStrays(engine.bucket, { name, volumes: [] });
		}`,
			},
		],
	},
	{
		title: 'a change counter that restarted passes for unchanged',
		violation: /is a state that no database had/,
		edits: [
			{
				file: 'dump/reader.ts',
				right:
					'		if (this.#needsBookmark && bookmark !== this.#bookmark) throw new SnapshotChanged();\n',
				wrong: '',
			},
			{
				file: 'dump/reader.ts',
				right:
					'		if (before !== null && before !== bytes && !isLocal(bookmark)) throw new SnapshotChanged();\n',
				wrong: '		if (before === bytes && isLocal(bookmark)) throw new SnapshotChanged();\n',
			},
		],
	},
	{
		title: 'the lock holds plain rows',
		violation: /lifeboat.lock holds rows/,
		edits: [
			{
				file: 'make/job.ts',
				right: '.setAudience(about(JOB, key)).encrypt(key.state);',
				wrong: `.setAudience(about(JOB, key)).encrypt(key.state).then((text) => {
		const plain = Buffer.from(JSON.stringify(job)).toString('base64url');
		return \`\${text}.\${plain}\`;
	});`,
			},
			{
				file: 'make/job.ts',
				right: 'jwtDecrypt(text, key.state,',
				wrong: "jwtDecrypt(text.split('.').slice(0, 5).join('.'), key.state,",
			},
		],
	},
];

/** Copies the engine with a fault in it, and returns the folder of the copy. */
export function plant({ title, edits }: Fault): string {
	const copy = `${COPIES}/${title.replaceAll(' ', '-')}`;
	rmSync(copy, { recursive: true, force: true });
	cpSync(SOURCE, copy, { recursive: true });
	for (const { file, right, wrong } of edits) {
		const path = `${copy}/backup/${file}`;
		const text = readFileSync(path, 'utf8');
		if (!text.includes(right)) throw new Error(`${file} no longer holds: ${right}`);
		writeFileSync(
			path,
			text.replace(right, () => wrong),
		);
	}
	return `${copy}/backup`;
}
