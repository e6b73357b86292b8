import { describe, expect, test } from 'vitest';
import { originWarning, requireOrigin } from './origin.ts';

const OWN = 'https://app.example.com';
const refused = expect.objectContaining({ code: 'preview_refused', status: 403 });

const at = (origin: string) => new URL(`${origin}/api/backup`);

describe('with BACKUP_ORIGIN', () => {
	const env = { BACKUP_ORIGIN: `${OWN}  https://lifeboat.pages.dev` };

	test.for([OWN, 'https://lifeboat.pages.dev', 'https://APP.example.com'])(
		'%s is the app, without a warning',
		(origin) => {
			requireOrigin(at(origin), env);
			expect(originWarning(at(origin), env)).toBeNull();
		},
	);

	test.for([
		'https://0a1b2c3d.lifeboat.pages.dev',
		'https://old.example.com',
		'https://app.example.com.evil.example',
		'https://app.example.com.',
		'https://app.example.com:8443',
		'http://app.example.com',
		'https://feature-lifeboat.team.workers.dev',
	])('%s is refused', (origin) => {
		expect(() => requireOrigin(at(origin), env)).toThrow(refused);
		requireOrigin(at(origin), { ...env, BACKUP_ALLOW_PREVIEW: 'Yes' });
	});

	test.for(['http://localhost:5173', 'http://127.0.0.1:8788', 'http://[::1]:8788'])(
		'%s is this machine, which is always allowed',
		(origin) => requireOrigin(at(origin), env),
	);

	test.for([
		'app.example.com',
		`${OWN}/`,
		`${OWN}/path`,
		`${OWN}?x`,
		'https://App.example.com',
		'https://app.example.com:443',
		'https://user@app.example.com',
		'http://app.example.com',
		'ftp://app.example.com',
		'null',
		'*',
	])('"%s" as an origin is a mistake, which no value of it quotes', (word) => {
		for (const origin of [OWN, 'http://localhost:5173']) {
			const env = { BACKUP_ORIGIN: `${OWN},${word}` };
			expect(() => requireOrigin(at(origin), env)).toThrow(
				expect.objectContaining({
					...{ code: 'backup_origin_invalid', status: 500 },
					message: 'Entry 2 in BACKUP_ORIGIN is not an origin.',
					hint: expect.stringContaining('such as https://app.example.com'),
				}),
			);
		}
	});
});

describe('without BACKUP_ORIGIN', () => {
	test.for([
		'my-branch.lifeboat.pages.dev',
		'0a1b2c3d.lifeboat.pages.dev',
		'X.LIFEBOAT.PAGES.DEV',
		'x.lifeboat.pages.dev.',
		'536ccf40-lifeboat.team.workers.dev',
		'536CCF40-life-boat.team.workers.dev.',
	])('a preview at %s is refused unless previews are allowed', (host) => {
		const url = at(`https://${host}`);
		for (const env of [undefined, {}, { BACKUP_ALLOW_PREVIEW: '' }, { BACKUP_ALLOW_PREVIEW: 'no' }])
			expect(() => requireOrigin(url, env)).toThrow(refused);
		requireOrigin(url, { BACKUP_ALLOW_PREVIEW: 'yes' });
		expect(originWarning(url, { BACKUP_ALLOW_PREVIEW: 'yes' })).toBeNull();
	});

	test.for([
		'lifeboat.pages.dev',
		'app.example.com',
		'a.b.c.example',
		'x.y.pages.dev.example',
		'lifeboat.team.workers.dev',
		'feature-lifeboat.team.workers.dev', // an alias, or a Worker of that name
		'192.0.2.7:5173',
	])('the app at %s is allowed, with a warning', (host) => {
		requireOrigin(at(`https://${host}`), {});
		expect(originWarning(at(`https://${host}`), {})).toContain('BACKUP_ORIGIN');
	});

	test('this machine needs no warning', () => {
		expect(originWarning(at('http://localhost:5173'), {})).toBeNull();
	});
});

test('a value of BACKUP_ALLOW_PREVIEW that is neither yes nor no is refused', () => {
	expect(() => requireOrigin(at(OWN), { BACKUP_ALLOW_PREVIEW: '1' })).toThrow(
		expect.objectContaining({ code: 'backup_allow_preview_invalid', status: 500 }),
	);
});
