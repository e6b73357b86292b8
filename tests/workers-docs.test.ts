import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unstable_readConfig } from 'wrangler';

// What docs/workers.md shows is accepted by wrangler, and is what this repository does.

const DOCS = readFileSync('docs/workers.md', 'utf8');

/** The blocks of code of a language, each with the file that its first line names. */
function blocks(language: string): [file: string, text: string][] {
	const found = DOCS.matchAll(
		new RegExp(`^\`\`\`${language}\n(?:#|//) (\\S+)\n([^]*?)^\`\`\``, 'gm'),
	);
	return [...found].map(([, file = '', text = '']) => [file, text]);
}

let folder: string;
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), 'lifeboat-docs-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const bindingsOf = (entries: { binding: string }[] = []) => entries.map(({ binding }) => binding);

function parse(text: string) {
	const config = join(folder, 'wrangler.toml');
	writeFileSync(config, text);
	return unstable_readConfig({ config }, { hideWarnings: false });
}

test('all four configurations are found', () => {
	expect(blocks('toml').map(([file]) => file)).toEqual([
		...['wrangler.toml', 'wrangler.toml', 'wrangler.build.toml', 'wrangler.toml'],
	]);
});

describe.for(blocks('toml').map(([file, text], index) => ({ file, text, index })))(
	'configuration $index, $file,',
	({ text }) => {
		test('has what a Worker with assets needs', () => {
			const { main, assets, unsafe } = parse(text);
			expect(main).toMatch(/\/(worker|_worker)\.js$/);
			expect(assets).toEqual({ directory: '.svelte-kit/cloudflare', binding: 'ASSETS' });
			expect(unsafe).toEqual({});
		});
	},
);

test('the schedule, the Workflow and the bindings are those that Lifeboat looks for', () => {
	const [, scheduled, , workflow] = blocks('toml').map(([, text]) => parse(text));
	expect(scheduled?.triggers.crons).toEqual(['*/10 * * * *']);
	expect(bindingsOf(scheduled?.d1_databases)).toEqual(['DB', 'DRILL_DB']);
	expect(workflow?.workflows).toEqual([
		{ name: 'my-app-backups', binding: 'BACKUP_WORKFLOW', class_name: 'BackupWorkflow' },
	]);
	expect(bindingsOf(workflow?.r2_buckets)).toEqual(['MY_BUCKET']);
});

test("this repository's entry is the one that the page shows", () => {
	const shown = blocks('js').findLast(([file]) => file === 'worker.js')?.[1] ?? '';
	const statements = (text: string) => text.split('\n').filter((line) => line.startsWith('export'));
	expect(statements(readFileSync('worker.js', 'utf8'))).toEqual(statements(shown));
	expect(statements(shown)).toHaveLength(2);
});

test('this repository has the same bindings as Pages and as a Worker', () => {
	const pages = unstable_readConfig({ config: 'wrangler.toml' });
	const worker = unstable_readConfig({ config: 'wrangler.worker.toml' });
	const bindings = ({ name, compatibility_date, d1_databases, r2_buckets }: typeof pages) => {
		return { name, compatibility_date, d1_databases, r2_buckets };
	};
	expect(bindings(worker)).toEqual(bindings(pages));
	expect(pages.d1_databases).toHaveLength(1);
});
