import { expect, test } from 'vitest';
import { requireProduction } from './preview.ts';

const at = (host: string) => new URL(`https://${host}/api/backup`);

test.for([
	'my-branch.lifeboat.pages.dev',
	'0a1b2c3d.lifeboat.pages.dev',
	'X.LIFEBOAT.PAGES.DEV',
	'x.lifeboat.pages.dev.',
])('a preview at %s is refused unless previews are allowed', (host) => {
	const refused = expect.objectContaining({ code: 'preview_refused', status: 403 });
	expect(() => requireProduction(at(host), {})).toThrow(refused);
	expect(() => requireProduction(at(host), { BACKUP_ALLOW_PREVIEW: '' })).toThrow(refused);
	expect(() => requireProduction(at(host), { BACKUP_ALLOW_PREVIEW: 'no' })).toThrow(refused);
	requireProduction(at(host), { BACKUP_ALLOW_PREVIEW: 'Yes' });
});

test.for([
	'lifeboat.pages.dev',
	'app.example.com',
	'a.b.c.example',
	'127.0.0.1:5173',
	'x.y.pages.dev.example',
])('the app at %s is not a preview', (host) => requireProduction(at(host), {}));

test('a value that is neither yes nor no is refused', () => {
	expect(() => requireProduction(at('app.example.com'), { BACKUP_ALLOW_PREVIEW: '1' })).toThrow(
		expect.objectContaining({ code: 'backup_allow_preview_invalid', status: 500 }),
	);
});
