import { expect, test } from 'vitest';
import { linesByHand, usedOptions, wireHooks } from './hooks.ts';

test('options name databases and the bucket', () => {
	const options = { databases: { main: 'APP_DB', 'b-c': 'STATS' }, bucket: 'BACKUPS' };
	expect(String(wireHooks(null, options))).toContain(
		"lifeboat({ databases: { main: 'APP_DB', 'b-c': 'STATS' }, bucket: 'BACKUPS' }).handle;",
	);
});

test.for([
	['exported in a list', 'const handle = () => {};\nexport { handle };\n'],
	['exported with others', 'export const { handle, signIn } = SvelteKitAuth({});\n'],
	['re-exported with others', "export { handle, signIn } from './auth';\n"],
	['exported with a star', "export * from './auth';\n"],
	['used elsewhere', 'export const handle = async () => {\n\t1;\n};\nuse(handle);\n'],
	[
		'beside a variable with the new name',
		'export function handle() {}\nconst handleRequest = 1;\n',
	],
	['beside a variable named backups', 'export function handle() {}\nconst backups = 1;\n'],
	['beside another sequence', 'export function handle() {}\nconst sequence = 1;\n'],
	[
		"beside all of SvelteKit's hooks",
		"import * as hooks from '@sveltejs/kit/hooks';\nexport function handle() {}\n",
	],
	['in a file with a mistake', 'export const handle = ;\n'],
] as const)('a handle %s is left alone', ([, text]) => {
	expect(wireHooks(text, {})).toBe(null);
	expect(linesByHand({})).toContain('const backups = lifeboat();');
});

test('the options that hooks give are known', () => {
	const text = (call: string) =>
		`import { lifeboat } from 'lifeboat';\nexport const handle = ${call}.handle;\nx({ bucket: 'NO' });\n`;
	const databases = { main: 'X', 'b-c': 'STATS' };
	for (const options of [
		{},
		{ databases },
		{ bucket: 'ARCHIVE' },
		{ databases, bucket: 'ARCHIVE' },
	]) {
		const own = String(wireHooks(null, options));
		expect(usedOptions(own)).toEqual(options);
		expect(usedOptions(own.replaceAll("'", '"').replaceAll('{ ', '{\n\t'))).toEqual(options);
	}
	expect(usedOptions(text('lifeboat()'))).toEqual({});
	expect(usedOptions("x({ bucket: 'ARCHIVE' });")).toEqual({});
	expect(usedOptions(null)).toEqual({});
});
