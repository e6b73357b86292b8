// The directions of imports; docs/architecture.md draws them. `npm run lint` fails on any other.

/** The floors of a folder, from the top down: a room imports from floors below its own only. */
const SERVER = [
	['http/api\\.ts'],
	['http/routes/', 'dashboard/'],
	['http/(call|download|headers|input|progress|respond|route)\\.ts'],
	['unattended/'],
	['run/'],
	['access/', 'operations/'],
	['backup/(index|settings)\\.ts'],
	['backup/make/', 'backup/prove/', 'backup/keep/'],
	['backup/engine\\.ts'],
	['backup/dump/', 'backup/restore/', 'backup/storage/'],
	['backup/format/'],
	['backup/(database|limits|sql|stage-tables|tokenizer|virtual-table)\\.ts'],
	['(environment|errors|platform|retry)\\.ts'],
];
const COMMANDS = [
	['commands/'],
	['copy/', 'demo/', 'deploy/', 'doctor/', 'init/', 'workflow/'],
	['sources/', 'targets/'],
	['client/', 'embedded/'],
	['secrets/'],
	['terminal/'],
];

/**
 * The rules of a folder, one for each room below the top.
 *
 * @param {string} folder
 * @param {string[][]} floors
 */
function rules(folder, floors) {
	const rooms = floors.flatMap((names, floor) => names.map((name) => ({ name, floor })));
	return rooms
		.filter(({ floor }) => floor > 0)
		.map(({ name, floor }) => ({
			name: `${name.replaceAll('\\', '')} imports from floors below its own only`,
			severity: 'error',
			from: { path: `^${folder}${name}` },
			to: {
				path: rooms
					.filter((other) => other.floor <= floor && other.name !== name)
					.map((other) => `^${folder}${other.name}`),
			},
		}));
}

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
	forbidden: [
		{ name: 'no circles', severity: 'error', from: {}, to: { circular: true } },
		{
			name: 'the library knows neither the app nor the commands',
			severity: 'error',
			from: { path: '^src/lib/' },
			to: { path: ['^src/(accounts|cli|routes)/', '^\\$(app|env|lib|accounts)/', '^tests/'] },
		},
		{
			name: 'the library does not know SvelteKit',
			severity: 'error',
			from: { path: '^src/lib/' },
			to: { path: '@sveltejs/' },
		},
		{
			name: 'the app imports of the library what the package exports',
			severity: 'error',
			from: { path: '^src/', pathNot: '^src/(lib|cli)/' },
			to: {
				path: '^(src/lib|\\$lib)/',
				pathNot: [
					'^(src/lib|\\$lib)/(index|auth|totp|components/index|components/pages/\\w+\\.svelte)(\\.[jt]s)?$',
					'^(src/lib|\\$lib)/components/live\\.js',
				],
			},
		},
		{
			name: 'the commands know the library only',
			severity: 'error',
			from: { path: '^src/cli/' },
			to: { path: ['^src/(accounts|routes)/', '^tests/'] },
		},
		{
			name: 'the accounts know the library only',
			severity: 'error',
			from: { path: '^src/accounts/' },
			to: { path: ['^src/(cli|routes)/', '^tests/'] },
		},
		...rules('src/lib/server/', SERVER),
		...rules('src/cli/', COMMANDS),
	],
	options: {
		exclude: { path: '\\.test\\.ts$' },
		doNotFollow: { path: 'node_modules' },
		tsPreCompilationDeps: true, // types count too
	},
};
