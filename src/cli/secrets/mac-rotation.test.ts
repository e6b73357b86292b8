import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { deriveKey } from '../../lib/server/backup/format/signature.ts';
import { backupKeys } from '../../lib/server/backup/settings.ts';
import { TOTP } from '../../lib/totp.js';
import { parseEnv } from './dotenv.ts';
import { explainMacRotation, rotateMacKey } from './mac-rotation.ts';

const EXAMPLE = readFileSync(join(import.meta.dirname, '../../../.env.example'), 'utf8');
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const OLD = 'f'.repeat(64);
const NOW = Date.UTC(2026, 10, 26);
const UNTIL = '2026-11-27T00:00:00.000Z';

describe('a new MAC key', () => {
	test('takes the place of the old one, which ends a day later; other lines stay', () => {
		const text = EXAMPLE.replace('TOTP_SECRET=', `TOTP_SECRET=${SECRET}`).replace(
			'BACKUP_MAC_KEY=',
			`BACKUP_MAC_KEY=${OLD}`,
		);
		const rotated = rotateMacKey(text, false, NOW);
		const key = parseEnv(rotated)['BACKUP_MAC_KEY'] ?? '';
		expect(key).toMatch(/^[0-9a-f]{64}$/);
		expect(key).not.toBe(OLD);
		expect(rotated).toBe(
			text
				.replace(`BACKUP_MAC_KEY=${OLD}`, `BACKUP_MAC_KEY=${key}`)
				.replace('BACKUP_MAC_KEY_PREVIOUS=', `BACKUP_MAC_KEY_PREVIOUS=${OLD}`)
				.replace('BACKUP_MAC_KEY_PREVIOUS_UNTIL=', `BACKUP_MAC_KEY_PREVIOUS_UNTIL=${UNTIL}`),
		);
	});

	test('that is the first one keeps TOTP_SECRET as what signed before', () => {
		const env = parseEnv(rotateMacKey(`TOTP_SECRET=${SECRET}\n`, false, NOW));
		expect(env).toMatchObject({ TOTP_SECRET: SECRET, BACKUP_MAC_KEY_PREVIOUS: SECRET });
		const bytes = new TOTP(SECRET).base32ToUint8Array(SECRET);
		expect(backupKeys(env)).toContainEqual({ ...deriveKey(bytes), until: Date.parse(UNTIL) });
	});

	test('replaces a stale end', () => {
		const stale = 'BACKUP_MAC_KEY_PREVIOUS=\nBACKUP_MAC_KEY_PREVIOUS_UNTIL=2020-01-01\n';
		const env = parseEnv(rotateMacKey(`BACKUP_MAC_KEY=${OLD}\n${stale}`, false, NOW));
		expect(env).toMatchObject({
			BACKUP_MAC_KEY_PREVIOUS: OLD,
			BACKUP_MAC_KEY_PREVIOUS_UNTIL: UNTIL,
		});
	});

	test('for a leaked one keeps nothing of it, not even during a rotation', () => {
		const previous = `BACKUP_MAC_KEY_PREVIOUS=${SECRET}\nBACKUP_MAC_KEY_PREVIOUS_UNTIL=2026-01-01\n`;
		const rotated = rotateMacKey(`BACKUP_MAC_KEY=${OLD}\n${previous}`, true, NOW);
		expect(rotated).not.toContain(OLD);
		expect(rotated.endsWith(previous)).toBe(true);
	});

	test('is refused while another key is the previous one, and without any secret', () => {
		const text = `BACKUP_MAC_KEY=${OLD}\nBACKUP_MAC_KEY_PREVIOUS=${SECRET}\n`;
		expect(() => rotateMacKey(text, false, NOW)).toThrow(
			expect.objectContaining({ code: 'rotation_running' }),
		);
		expect(() => rotateMacKey('', false, NOW)).toThrow(
			expect.objectContaining({ code: 'totp_secret_missing' }),
		);
	});
});

describe('the explanation', () => {
	test('names every place that needs the new settings, in order', () => {
		const lines = explainMacRotation(false).split('\n');
		const names = ['', '_PREVIOUS', '_PREVIOUS_UNTIL'].map((end) => `BACKUP_MAC_KEY${end}`);
		const places = [
			...names.map((name) => `     npx wrangler pages secret put ${name}`),
			...names.map((name) => `     gh secret set ${name} --env lifeboat`),
		];
		expect(lines.filter((line) => places.includes(line))).toEqual(places);
		expect(lines.filter((line) => /^\d\. /.test(line))).toHaveLength(4);
	});

	test('of a leaked key says that older backups count as forged', () => {
		expect(explainMacRotation(true)).not.toContain('PREVIOUS');
		expect(explainMacRotation(true)).toContain('--unsigned');
	});
});
