import { describe, expect, test } from 'vitest';
import { version } from '../../../../../package.json';
import { ENGINE_VERSION, parseManifest, parseSummary } from './manifest.ts';
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
