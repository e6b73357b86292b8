import { expect, test } from 'vitest';
import type { BackupDetail } from './detail-types.ts';
import { changesOf } from './details.ts';

const BEFORE = 'full_backup_2026-11-26T10:02:00.000Z';

function changes(facts: Pick<BackupDetail, 'tables' | 'gone' | 'previous'>) {
	return changesOf(facts as BackupDetail);
}

test('each table says how it changed, the largest first', () => {
	const found = changes({
		previous: BEFORE,
		tables: [
			{ name: 'same', rows: 3, bytes: 300, before: { rows: 3, bytes: 300 } },
			{ name: 'new', rows: 0, bytes: 400, before: null },
			{ name: 'less', rows: 80, bytes: 11_800, before: { rows: 81, bytes: 13_000 } },
			{ name: 'more', rows: 1_012, bytes: 9_000_000, before: { rows: 1_000, bytes: 9_000_000 } },
			{ name: 'rewritten', rows: 5, bytes: 501, before: { rows: 5, bytes: 500 } },
		],
		gone: [{ name: 'gone', rows: 12, bytes: 1_200 }],
	});
	expect(found.map(({ name, change }) => [name, change])).toEqual([
		['more', '+12 rows'],
		['less', '−1 row, −1.20 kB'],
		['rewritten', '+1 byte'],
		['new', 'new'],
		['same', 'same size'],
		['gone', 'gone'],
	]);
	expect(found.at(0)).toMatchObject({ rows: '1,012', bytes: '9.00 MB', gone: false });
	expect(found.at(-1)).toMatchObject({ rows: '12', bytes: '1.20 kB', gone: true });
});

test('nothing has changed where there is no backup before', () => {
	const tables = [{ name: 'a', rows: 1, bytes: 10, before: null }];
	expect(changes({ previous: null, tables, gone: [] })).toMatchObject([{ name: 'a', change: '' }]);
});
