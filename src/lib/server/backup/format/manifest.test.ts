import { describe, expect, test } from 'vitest';
import { version } from '../../../../../package.json';
import {
	ENGINE_VERSION,
	type Manifest,
	parseManifest,
	parseSummary,
	printSummary,
	summarize,
} from './manifest.ts';
import { backupName, volumeKey, manifestKey, backupOfFile } from './names.ts';

test('the engine has the version of the package', () => {
	expect(ENGINE_VERSION).toBe(version);
});

describe('names', () => {
	const name = backupName('full', new Date(Date.UTC(2026, 10, 22, 21, 52)));

	test('say when the backup started', () => {
		expect(name).toBe('full_backup_2026-11-22T21:52:00.000Z');
	});

	test('of volumes say how they are stored', () => {
		expect(volumeKey(name, 1)).toBe(`${name}.sql`);
		expect(volumeKey(name, 2, ['gzip'])).toBe(`${name}.2.sql.gz`);
		expect(volumeKey(name, 1, ['gzip', 'age'])).toBe(`${name}.sql.gz.age`);
	});

	test.for([
		manifestKey(name),
		volumeKey(name, 1),
		volumeKey(name, 2),
		`${name}.sql.gz`,
		`${name}.sql.age`,
		`${name}.2.sql.gz.age`,
		`${name}.proof-2026-11-23T00:00:00.000Z.json`,
	])('%s belongs to its backup', (fileName) => {
		expect(backupOfFile(fileName)).toBe(name);
	});

	test.for([
		name,
		`${name}.sql.age.gz`,
		`${name}.sql.exe`,
		`x${name}.sql`,
		`${name}.proof.json`,
		`${name}.proof-2026-11-23.json`,
		`${name}.proof-2026-11-23T00:00:00.000Z.json.gz`,
		`${name}/../x.sql`,
		'full_backup_now.sql',
		'',
	])('"%s" is not a file of a backup', (fileName) => {
		expect(backupOfFile(fileName)).toBeNull();
	});
});

test.for(['', '{', '{}', '{"format":2}'])('"%s" is not a manifest', (text) => {
	expect(() => parseManifest(text)).toThrow(
		expect.objectContaining({ code: 'manifest_unreadable' }),
	);
});

test.for([undefined, '', '{', '{}', '{"name":"x"}'])('"%s" is not a summary', (text) => {
	expect(parseSummary(text)).toBeNull();
});

describe('a summary', () => {
	const name = 'full_backup_2026-11-22T21:52:00.000Z';
	const volume = { bytes: 40, sha256: 'c'.repeat(64), sqlBytes: 60, encodings: ['gzip' as const] };

	/** A manifest with these warnings, and volumes of these numbers. */
	function manifestWith(warnings: string[], volumes = [1]): Manifest {
		return {
			...{ format: 1, name, kind: 'full', parent: null, database: 'DB' },
			...{ startedAt: '2026-11-22T21:52:00.000Z', finishedAt: '2026-11-22T21:52:01.000Z' },
			snapshot: { consistency: 'fenced', attempts: 1, bookmark: null },
			schema: { objects: 1, sha256: 'a'.repeat(64) },
			tables: [{ name: 'users', rows: 3, bytes: 30, sha256: 'b'.repeat(64) }],
			volumes: volumes.map((number) => ({ ...volume, key: volumeKey(name, number, ['gzip']) })),
			...{ encryption: null, warnings },
			cost: { queries: 1, rowsRead: 6, durationMs: 1000 },
			engine: { version: '0.1.0' },
		};
	}

	const printed = (manifest: Manifest) => printSummary(manifest) ?? '';

	test('is read back as it was, also with names in any script', () => {
		for (const warnings of [[], ['The table "größe 🔍 \u007f\ud800" is contentless.', 'b']]) {
			const manifest = manifestWith(warnings);
			expect(parseSummary(printed(manifest))).toEqual(summarize(manifest));
			expect(printed(manifest)).toMatch(/^[ -~]+$/);
		}
	});

	test('has as many warnings as fit, from the first one on, and the number of all', () => {
		const warnings = Array.from({ length: 100 }, (_, index) => `${index} ${'ü'.repeat(90)}`);
		const manifest = manifestWith(warnings);
		const bare = printed(manifestWith([])).length;
		expect(printed(manifest).length - bare).toBeLessThanOrEqual(2_001); // "warnings" has two digits more
		const summary = parseSummary(printed(manifest));
		expect(summary).toMatchObject({ warnings: 100, warningTexts: warnings.slice(0, 3) });
		expect(summary?.warningTexts).toHaveLength(3);
	});

	test('has less room for warnings if it names many volumes, and then none', () => {
		const gaps = (count: number) => Array.from({ length: count }, (_, index) => 2 * index + 1);
		const warnings = ['a'.repeat(900), 'b'.repeat(900)];
		const room = [1, 1_250, 1_420, 3_000].map((count) => {
			const summary = parseSummary(printSummary(manifestWith(warnings, gaps(count))) ?? undefined);
			return summary?.warningTexts?.length ?? null;
		});
		expect(room).toEqual([2, 1, 0, null]);
	});
});
