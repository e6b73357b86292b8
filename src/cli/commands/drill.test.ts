import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { operate } from '../../../tests/operator.ts';
import { json, listen, type Request } from '../../../tests/stand-in.ts';
import { SUMMARY } from '../../../tests/workflows/stepped-app.ts';

const DRILLED = { at: '2026-11-23T05:07:02.871Z', proven: true, scope: 'contents' };
const WARNED = { warnings: 1, warningTexts: ['lost'] };

/** Drills the newest of these backups. Also returns the requested addresses. */
async function drill(backups: object[], ...args: string[]) {
	const requests: Request[] = [];
	await using app = await listen(json(200, { backups }), requests);
	const env = { TOTP_SECRET: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', BACKUP_URL: app.url };
	const ended = await operate(tmpdir(), 'drill', ['latest', ...args], { env });
	return { ...ended, urls: requests.map(({ url }) => url) };
}

describe('--unless-drilled', () => {
	test('skips the newest backup if a drill has proven it', async () => {
		const older = { ...SUMMARY, name: 'full_backup_2026-10-22T21:52:00.000Z', drilled: null };
		const { code, stdout, urls } = await drill(
			[{ ...SUMMARY, ...WARNED, drilled: DRILLED }, older],
			'--unless-drilled',
		);
		expect(code).toBe(0);
		expect(stdout).toBe(
			`Nothing to do: a drill proved ${SUMMARY.name} on ${DRILLED.at}, with 1 warning.\nWarning: lost\n`,
		);
		expect(urls).toEqual(['/api/backup']);
	});

	test('reports the skip in JSON too', async () => {
		const { stdout } = await drill(
			[{ ...SUMMARY, ...WARNED, drilled: DRILLED }],
			...['--unless-drilled', '--json'],
		);
		expect(JSON.parse(stdout)).toEqual({
			...{ backup: SUMMARY.name, drilled: DRILLED },
			warnings: ['lost'],
		});
	});

	test.for([
		['is new', null],
		['differed', { ...DRILLED, proven: false }],
	] as const)('drills the newest backup if it %s', async ([, drilled]) => {
		const { urls } = await drill(
			[
				{ ...SUMMARY, drilled, verified: DRILLED },
				{ ...SUMMARY, drilled: DRILLED },
			],
			'--unless-drilled',
		);
		expect(urls.at(-1)).toBe(`/api/backup/${SUMMARY.name}.manifest.json`);
	});

	test('without it a proven backup is drilled again', async () => {
		const { urls } = await drill([{ ...SUMMARY, drilled: DRILLED }]);
		expect(urls.at(-1)).toBe(`/api/backup/${SUMMARY.name}.manifest.json`);
	});

	test.for([[SUMMARY.name], ['--file', 'backup.sql']])('is refused for %j', async (args) => {
		const env = { TOTP_SECRET: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP' };
		const words = [...args, '--unless-drilled', '--json'];
		const { code, stdout } = await operate(tmpdir(), 'drill', words, { env });
		expect([code, JSON.parse(stdout).code]).toEqual([2, 'usage']);
	});
});
