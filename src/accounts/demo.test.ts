import { env } from 'cloudflare:workers';
import { expect, test } from 'vitest';
import tables from '../../migrations/0001_auth.sql?raw';
import { reset } from '../../tests/reset.ts';
import { accountsAdapter } from './adapter.ts';
import { signInAsDemoUser } from './demo.ts';

test('the demo user is signed in by the cookie, and by nothing in the database', async () => {
	await reset();
	const statements = tables.split(';').filter((statement) => statement.trim());
	await env.DB.batch(statements.map((statement) => env.DB.prepare(statement)));
	let token = '';
	const cookies = { set: (_name: string, value: string) => void (token = value) };
	const event = { platform: { env: { DB: env.DB } }, cookies };
	await expect(signInAsDemoUser(event as never)).rejects.toMatchObject({ location: '/profile' });

	const { getSessionAndUser } = accountsAdapter(env.DB);
	expect(await getSessionAndUser?.(token)).toMatchObject({ user: { name: 'Demo Sailor' } });
	const { results } = await env.DB.prepare('SELECT * FROM sessions').all();
	for (const value of results.flatMap((row) => Object.values(row))) {
		expect(await getSessionAndUser?.(String(value))).toBeNull();
	}
});
