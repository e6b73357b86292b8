import { describe, expect, test } from 'vitest';
import type { RestoreFacts } from './detail-types.ts';
import { restoreCases } from './restore-cases.ts';

const NAME = 'full_backup_2026-11-27T10:02:00.000Z';
const NOW = Date.parse('2026-11-28T00:00:00.000Z');
const DAY = 24 * 3_600_000;
const PLAIN: RestoreFacts = {
	...{ name: NAME, kind: 'full', startedAt: '2026-11-27T10:02:00.000Z', database: null },
	...{ app: 'https://shop.example', bookmark: null, files: [`${NAME}.sql`] },
	objects: [`${NAME}.manifest.json`, `${NAME}.sql`],
};

/** The commands of a case; none if there is no such case. */
function commands(id: string, facts: Partial<RestoreFacts> = {}, now = NOW): string[] {
	const found = restoreCases({ ...PLAIN, ...facts }, now).find((one) => one.id === id);
	return found?.commands ?? [];
}

test('the first case replaces nothing', () => {
	expect(restoreCases(PLAIN, NOW)[0]?.commands).toEqual([
		'npx wrangler d1 create lifeboat-restored',
		`npm run restore -- ${NAME} --from https://shop.example --to remote:lifeboat-restored`,
	]);
});

test('what replaces something is tried with --dry-run first', () => {
	for (const id of ['tables', 'replace']) {
		const [first = '', second] = commands(id);
		expect(first).toMatch(/ --dry-run$/);
		expect(second).toBe(first.replace(' --dry-run', ''));
	}
});

test('a database of several, and encryption, are in every command of ours', () => {
	const facts = { database: 'shop', files: [`${NAME}.sql.gz.age`] };
	for (const id of ['new', 'file', 'tables', 'replace', 'drill']) {
		const own = commands(id, facts).filter((command) => command.startsWith('npm run '));
		expect(own).not.toEqual([]);
		for (const command of own) {
			expect(command).toContain(' --database shop');
			expect(command).toContain(' --identity KEY');
		}
	}
	expect(commands('new', facts)[0]).toBe('npx wrangler d1 create shop-restored');
});

describe('Time Travel', () => {
	test('goes to the bookmark, or else to the time', () => {
		expect(commands('time-travel', { bookmark: '0000-1' })).toEqual([
			'npx wrangler d1 time-travel restore DATABASE --bookmark 0000-1',
		]);
		expect(commands('time-travel')).toEqual([
			`npx wrangler d1 time-travel restore DATABASE --timestamp ${PLAIN.startedAt}`,
		]);
	});

	test('forgets after 30 days', () => {
		const start = Date.parse(PLAIN.startedAt);
		expect(commands('time-travel', {}, start + 30 * DAY)).toHaveLength(1);
		expect(commands('time-travel', {}, start + 30 * DAY + 1)).toEqual([]);
	});
});

test('without the app, every object is fetched by its key, that of the parent too', () => {
	const objects = [...PLAIN.objects, 'full_backup_2026-11-01T05:00:00.000Z.sql'];
	const [first, second, third, , last] = commands('bucket', { objects });
	expect(first).toBe(
		`npx wrangler r2 object get 'BUCKET/${NAME}.manifest.json' --remote --file '${NAME}.manifest.json'`,
	);
	expect(second).toContain(`'BUCKET/${NAME}.sql'`);
	expect(third).toContain("'BUCKET/full_backup_2026-11-01T05:00:00.000Z.sql'");
	expect(last).toBe(`npm run restore -- ${NAME}.sql --to remote:lifeboat-restored`);
	const files = [`${NAME}.sql`, `${NAME}.2.sql`];
	expect(commands('bucket', { files }).at(-1)).toContain(` ${NAME}.manifest.json `);
	expect(commands('bucket', { database: 'shop' })[0]).toContain(`'BUCKET/PREFIX/${NAME}`);
});

test.for([
	['.sql', `cat '${NAME}.sql'`],
	['.sql.gz', `gunzip < '${NAME}.sql.gz'`],
	['.sql.zst', `zstd -d < '${NAME}.sql.zst'`],
	['.sql.age', `age -d -i KEY '${NAME}.sql.age'`],
	['.sql.gz.age', `age -d -i KEY '${NAME}.sql.gz.age' | gunzip`],
	['.sql.zst.age', `age -d -i KEY '${NAME}.sql.zst.age' | zstd -d`],
])('standard tools open %s', ([ending, opened]) => {
	const [first] = commands('tools', { files: [NAME + ending] });
	expect(first).toBe(`${opened} > backup.sql`);
});

test('standard tools join volumes in their order', () => {
	const files = [`${NAME}.sql`, `${NAME}.2.sql`];
	expect(commands('tools', { files })[0]).toBe(
		`{ cat '${NAME}.sql'; cat '${NAME}.2.sql'; } > backup.sql`,
	);
});
