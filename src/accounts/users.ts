import type { D1Database } from '@cloudflare/workers-types';
import * as v from 'valibot';
import { LifeboatError } from '$lib';

/** What any signed-in person may know about another; no e-mail address. */
export interface PublicUser {
	id: string;
	name: string | null;
	image: string | null;
}

export interface UserPage {
	users: PublicUser[];
	/** Send it as `?cursor=` for the next page; null on the last page. */
	cursor: string | null;
}

const MAX_LIMIT = 100;
const DEFAULT_LIMIT = '20';

/** The query of the list of users. */
const UserQuery = v.object({
	limit: v.pipe(
		v.optional(v.string(), DEFAULT_LIMIT),
		v.digits(),
		v.toNumber(),
		v.minValue(1),
		v.maxValue(MAX_LIMIT),
	),
	cursor: v.optional(
		v.pipe(
			v.string(),
			v.check(
				(cursor) => toCursor(fromCursor(cursor)) === cursor,
				'Not from an answer of this API',
			),
			v.transform(fromCursor),
		),
		'',
	),
});

/** The validated query of an address. Throws `query_invalid` (400). */
export function readUserQuery({ searchParams }: URL): v.InferOutput<typeof UserQuery> {
	const query = v.safeParse(UserQuery, Object.fromEntries(searchParams));
	if (query.success) return query.output;
	throw new LifeboatError('The query of this call is not valid.', {
		code: 'query_invalid',
		status: 400,
		hint: `"limit" is a number from 1 to ${MAX_LIMIT}, and "cursor" is that of the last answer.`,
	});
}

/** One page of users, in the order of their ids. */
export async function listUsers(
	database: D1Database,
	{ limit, cursor }: v.InferOutput<typeof UserQuery>,
): Promise<UserPage> {
	const { results } = await database
		.prepare('SELECT id, name, image FROM users WHERE id > ?1 ORDER BY id LIMIT ?2')
		.bind(cursor, limit + 1) // one more shows whether there is a next page
		.all<PublicUser>();
	const users = results.slice(0, limit);
	const last = users.at(-1);
	return { users, cursor: last && results.length > limit ? toCursor(last.id) : null };
}

/** An account with which a user signs in. */
export interface LinkedAccount {
	/** `github` for everybody whom this app has signed in. */
	provider: string;
	/** The numeric id of a GitHub account, which never changes hands. */
	providerAccountId: string;
}

/** All accounts with which a user signs in: one, unless somebody has added a row by hand. */
export async function linkedAccounts(
	database: D1Database,
	userId: string,
): Promise<LinkedAccount[]> {
	const { results } = await database
		.prepare('SELECT provider, providerAccountId FROM accounts WHERE userId = ?1')
		.bind(userId)
		.all<LinkedAccount>();
	return results;
}

function toCursor(id: string): string {
	return Buffer.from(id).toString('base64url');
}

function fromCursor(cursor: string): string {
	return Buffer.from(cursor, 'base64url').toString();
}
