import { env } from 'cloudflare:workers';
import { beforeAll, expect, test } from 'vitest';
import migration from '../../migrations/0001_auth.sql?raw';
import { reset } from '../../tests/reset.ts';
import { accountsAdapter } from './adapter.ts';
import { linkedAccounts, listUsers, type PublicUser, readUserQuery } from './users.ts';

const adapter = accountsAdapter(env.DB) as Required<ReturnType<typeof accountsAdapter>>;
const NAMES = ['Ada', 'Grace', 'Zoë', 'Null', 'Mary'];

beforeAll(async () => {
	await reset();
	const statements = migration.split(';').filter((statement) => statement.trim());
	await env.DB.batch(statements.map((statement) => env.DB.prepare(statement)));
	for (const name of NAMES) await addUser(name, `${name.toLowerCase()}@example.com`);
});

/** Adds a user as Auth.js does on a first sign-in. */
function addUser(name: string, email: string | null) {
	return adapter.createUser({ id: '', name, email: email as string, emailVerified: null });
}

function linkGitHub(userId: string, providerAccountId: string) {
	return adapter.linkAccount({ userId, type: 'oauth', provider: 'github', providerAccountId });
}

async function list(query = '') {
	return listUsers(env.DB, readUserQuery(new URL(`https://app.example/?${query}`)));
}

test('users are listed with public fields only', async () => {
	const { users, cursor } = await list();
	expect(users.map((user) => user.name).sort()).toEqual([...NAMES].sort());
	for (const user of users) expect(Object.keys(user)).toEqual(['id', 'name', 'image']);
	expect(cursor).toBeNull();
});

test.for([1, 2, 5])('pages of %i contain every user once, in order', async (limit) => {
	const met: PublicUser[] = [];
	let query = `limit=${limit}`;
	for (;;) {
		const { users, cursor } = await list(query);
		expect(users.length).toBeLessThanOrEqual(limit);
		met.push(...users);
		if (cursor === null) break;
		query = `limit=${limit}&cursor=${cursor}`;
	}
	expect(met).toEqual((await list()).users);
});

test.for(['0', '101', '-1', '1.5', 'ten', '', '1e1'])('limit=%s is refused', async (limit) => {
	const refusal = { status: 400, hint: expect.stringContaining('limit') };
	await expect(list(`limit=${limit}`)).rejects.toMatchObject(refusal);
});

test.for(['*', 'a', 'YQ==', '_w'])('cursor=%s is refused', async (cursor) => {
	const refusal = { status: 400, hint: expect.stringContaining('cursor') };
	await expect(list(`cursor=${cursor}`)).rejects.toMatchObject(refusal);
});

test("a user's own GitHub account is found, and nobody else's", async () => {
	const { users } = await list('limit=2');
	const [one, two] = users as [PublicUser, PublicUser];
	await linkGitHub(one.id, '583231');
	const account = { provider: 'github', providerAccountId: '583231' };
	expect(await linkedAccounts(env.DB, one.id)).toEqual([account]);
	expect(await linkedAccounts(env.DB, two.id)).toEqual([]);
	await expect(linkGitHub(two.id, '583231')).rejects.toThrow('UNIQUE constraint failed');
});

test('an e-mail address belongs to one user; several users may have none', async () => {
	await expect(addUser('Imposter', 'ada@example.com')).rejects.toThrow('UNIQUE constraint failed');
	await addUser('Quiet', null);
	await addUser('Silent', null);
});

test('deleting a user deletes accounts and sessions too', async () => {
	const user = await addUser('Leaving', 'leaving@example.com');
	await linkGitHub(user.id, '1');
	await adapter.createSession({ sessionToken: 't', userId: user.id, expires: new Date() });
	await env.DB.prepare('DELETE FROM users WHERE id = ?1').bind(user.id).run();
	expect(await linkedAccounts(env.DB, user.id)).toEqual([]);
	expect(await adapter.getSessionAndUser('t')).toBeNull();
	const sessions = await env.DB.prepare('SELECT count(*) AS n FROM sessions').first('n');
	expect(sessions).toBe(0);
});
