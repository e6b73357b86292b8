// The directions of imports; docs/architecture.md draws them. `npm run lint` fails on any other.

const SERVER = '^src/lib/server/';

/** The floors of src/lib/server, from the top down: a room imports from floors below its own only. */
const FLOORS = [
	['http/'],
	['access/', 'operations/'],
	['backup/(index|settings)\\.ts'],
	['backup/make/', 'backup/prove/', 'backup/keep/'],
	['backup/engine\\.ts'],
	['backup/dump/', 'backup/restore/', 'backup/storage/'],
	['backup/format/'],
	['backup/(database|limits|sql)\\.ts'],
	['(environment|errors|retry)\\.ts'],
];

const rooms = FLOORS.flatMap((names, floor) => names.map((name) => ({ name, floor })));

const floors = rooms.slice(1).map(({ name, floor }) => ({
	name: `${name.replaceAll('\\', '')} imports from floors below its own only`,
	severity: 'error',
	from: { path: SERVER + name },
	to: {
		path: rooms
			.filter((other) => other.floor <= floor && other.name !== name)
			.map((other) => SERVER + other.name),
	},
}));

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
		...floors,
	],
	options: {
		exclude: { path: '\\.test\\.ts$' },
		doNotFollow: { path: 'node_modules' },
		tsPreCompilationDeps: true, // types count too
	},
};
