import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import tables from '../../migrations/0001_auth.sql?raw';
import signOut from '../../migrations/0002_sign_out.sql?raw';
import { reset } from '../../tests/reset.ts';
import { storedToken } from '$lib/auth';
import { accountsAdapter } from './adapter.ts';
import { administratorId } from './administrators.ts';

const adapter = accountsAdapter(env.DB) as Required<ReturnType<typeof accountsAdapter>>;
const EXPIRES = new Date(Date.UTC(2030, 0, 1));
const LISTED = '583231';
const settings = { DB: env.DB, BACKUP_ADMINS: `7 ${LISTED}` };

let userId = '';

beforeEach(async () => {
	await reset();
	await run(tables);
	const user = { id: '', name: 'Grace', email: 'grace@example.com', emailVerified: null };
	userId = (await adapter.createUser(user)).id;
});

async function run(script: string): Promise<void> {
	const statements = script.split(';').filter((statement) => statement.trim());
	await env.DB.batch(statements.map((statement) => env.DB.prepare(statement)));
}

const link = (providerAccountId: string, provider = 'github') =>
	adapter.linkAccount({ userId, type: 'oauth', provider, providerAccountId });

/** A row that the adapter would not write. */
const plant = (providerAccountId: string, provider: string) =>
	env.DB.prepare(
		`INSERT INTO accounts (id, userId, type, provider, providerAccountId)
		VALUES (?1, ?2, 'oauth', ?3, ?4)`,
	)
		.bind(crypto.randomUUID(), userId, provider, providerAccountId)
		.run();

/** What a backup holds of sessions. */
async function stored(): Promise<Record<string, unknown>[]> {
	return (await env.DB.prepare('SELECT * FROM sessions').all()).results;
}

describe('a session', () => {
	const begin = (sessionToken: string) =>
		adapter.createSession({ sessionToken, userId, expires: EXPIRES });

	test('is found by its token, which Auth.js gets back', async () => {
		expect(await begin('a-token')).toMatchObject({ sessionToken: 'a-token', userId });
		const found = await adapter.getSessionAndUser('a-token');
		expect(found).toMatchObject({
			session: { sessionToken: 'a-token', userId, expires: EXPIRES },
			user: { id: userId },
		});
	});

	test('is not found by anything that a backup holds', async () => {
		await begin('a-token');
		const [row, ...others] = await stored();
		expect(others).toEqual([]);
		expect(row).toMatchObject({ sessionToken: storedToken('a-token'), userId });
		expect(JSON.stringify(row)).not.toContain('a-token');
		for (const value of Object.values(row ?? {})) {
			expect(await adapter.getSessionAndUser(String(value))).toBeNull();
		}
	});

	test('is extended and ended by its token', async () => {
		await begin('a-token');
		await begin('another');
		const expires = new Date(Date.UTC(2031, 0, 1));
		await adapter.updateSession({ sessionToken: 'a-token', expires });
		expect((await adapter.getSessionAndUser('a-token'))?.session.expires).toEqual(expires);
		await adapter.deleteSession('a-token');
		expect(await adapter.getSessionAndUser('a-token')).toBeNull();
		expect(await adapter.getSessionAndUser('another')).not.toBeNull();
	});

	test('from before tokens were hashed is ended by the migration', async () => {
		await run(
			`INSERT INTO sessions VALUES ('1', 'a-token', '${userId}', '${EXPIRES.toISOString()}')`,
		);
		await run(signOut);
		expect(await stored()).toEqual([]);
	});
});

test('a second GitHub account is not linked to a user', async () => {
	await link(LISTED);
	await expect(link('666')).rejects.toThrow('already has an account of github');
	const { results } = await env.DB.prepare('SELECT providerAccountId AS id FROM accounts').all();
	expect(results).toEqual([{ id: LISTED }]);
});

describe('an administrator', () => {
	const id = () => administratorId(settings, userId);

	test('signs in with a listed GitHub account', async () => {
		expect(await id()).toBeNull();
		await link(LISTED);
		expect(await id()).toBe(LISTED);
		expect(await administratorId({ ...settings, BACKUP_ADMINS: '7' }, userId)).toBeNull();
		expect(await administratorId({ DB: env.DB }, userId)).toBeNull();
	});

	test.for([
		['666', 'github'],
		[LISTED, 'gitlab'],
	] as const)('has no further account, such as %s of %s', async ([account, provider]) => {
		await link(LISTED);
		await plant(account, provider);
		expect(await id()).toBeNull();
	});

	test('may have two accounts that are both listed', async () => {
		await link(LISTED);
		await plant('7', 'github');
		expect(await id()).toBe(LISTED);
	});

	test('is nobody with an account of that number elsewhere', async () => {
		await plant(LISTED, 'gitlab');
		expect(await id()).toBeNull();
	});
});
