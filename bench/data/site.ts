import { Random } from './random.ts';

/*
 * The database of a typical app on D1: a site with members, posts, comments, an event log and
 * prices. It has the tables of Auth.js and four more with 9 to 12 columns and rows of 100 to 600
 * bytes. Most of the text is sentences; the rest is what real rows hold: integers, short reals
 * (prices) and long ones (scores), dates as ISO text and as numbers, JSON, random keys and tokens
 * that do not compress, a few small blobs, and many NULLs. No value or row is long enough to need
 * special treatment from any contender.
 */

export type Value = string | number | null | Uint8Array;
/** A row and its table. */
export type Row = [table: string, values: Value[]];

/** Tables that come on top of those from the app's migrations. */
export const TABLES = [
	`CREATE TABLE posts (
		id INTEGER PRIMARY KEY,
		author_id TEXT NOT NULL REFERENCES users (id),
		slug TEXT NOT NULL,
		title TEXT NOT NULL,
		body TEXT NOT NULL,
		tags TEXT NOT NULL CHECK (json_valid(tags)),
		preview BLOB,
		score REAL NOT NULL,
		views INTEGER NOT NULL DEFAULT 0,
		created_at TEXT NOT NULL,
		published_at TEXT,
		deleted_at TEXT
	)`,
	`CREATE TABLE comments (
		id INTEGER PRIMARY KEY,
		post_id INTEGER NOT NULL REFERENCES posts (id),
		author_id TEXT NOT NULL REFERENCES users (id),
		parent_id INTEGER,
		body TEXT NOT NULL,
		likes INTEGER NOT NULL DEFAULT 0,
		created_at INTEGER NOT NULL,
		edited_at INTEGER,
		deleted_at INTEGER
	)`,
	`CREATE TABLE events (
		id INTEGER PRIMARY KEY,
		at INTEGER NOT NULL,
		kind TEXT NOT NULL,
		user_id TEXT,
		path TEXT NOT NULL,
		referrer TEXT,
		country TEXT,
		seconds REAL,
		properties TEXT NOT NULL
	)`,
	`CREATE TABLE prices (
		id INTEGER PRIMARY KEY,
		product_id INTEGER NOT NULL,
		currency TEXT NOT NULL,
		amount REAL NOT NULL,
		list_amount REAL,
		discount REAL,
		supplier TEXT NOT NULL,
		valid_from TEXT NOT NULL,
		valid_until TEXT,
		checked_at INTEGER NOT NULL
	)`,
];
export const INDEXES = [
	'CREATE INDEX posts_author ON posts (author_id)',
	'CREATE INDEX events_at ON events (at)',
];

const POSTS_PER_MEMBER = 20;
const COMMENTS_PER_POST = 4;
const VISITS_PER_POST = 2;
const EVENTS_PER_VISIT = 3;
const PRICES_PER_POST = 4;

const START = Date.UTC(2024, 0, 1);
const MS_PER_POST = 60_000;

/** An endless history of the site: rows in the order in which a real app would insert them. */
export function* siteRows(): Generator<Row> {
	const random = new Random();
	const members: [string, ...string[]] = [random.uuid()];
	const ids = { comment: 0, event: 0, price: 0 };
	for (let id = 1; ; id++) {
		const now = START + id * MS_PER_POST;
		if (id % POSTS_PER_MEMBER === 1) {
			const member = random.uuid();
			yield ['users', user(random, member, now)];
			yield ['accounts', account(random, member)];
			if (id === 1) members[0] = member;
			else members.push(member);
		}
		yield ['posts', post(random, id, random.pick(members), now)];
		for (let count = 0; count < COMMENTS_PER_POST; count++) {
			const about = Math.max(1, id - random.below(50));
			yield ['comments', comment(random, ++ids.comment, about, random.pick(members), now)];
		}
		for (let count = 0; count < VISITS_PER_POST; count++) {
			yield* visit(random, ids, random.maybe(60, random.pick(members)), now);
		}
		for (let count = 0; count < PRICES_PER_POST; count++) {
			yield ['prices', price(random, ++ids.price, now)];
		}
	}
}

function user(random: Random, id: string, now: number): Value[] {
	const name = random.words(2);
	const email = `${name.replaceAll(/[^a-z]/g, '')}${id.slice(0, 4)}${random.below(2 ** 32)}@example.com`;
	const image = `https://avatars.githubusercontent.com/u/${random.below(200_000_000)}?v=4`;
	return [id, name, email, random.maybe(30, iso(now)), image];
}

/** What Auth.js stores about a sign-in with GitHub. */
function account(random: Random, userId: string): Value[] {
	const token = `gho_${random.hex(36)}`;
	const id = String(random.below(2 ** 48)); // unique
	const rest = [null, token, null, 'bearer', 'read:user,user:email', null, null, null, null];
	return [random.uuid(), userId, 'oauth', 'github', id, ...rest];
}

function post(random: Random, id: number, author: string, now: number): Value[] {
	const title = random.words(3 + random.below(6));
	const tags = Array.from({ length: random.below(5) }, () => random.words(1));
	return [
		id,
		author,
		title.replaceAll(/[' ]/g, '-'),
		title,
		random.sentences(1 + random.below(5)),
		JSON.stringify(tags),
		random.maybe(30, random.bytes(24)),
		random.number() * 100,
		random.below(20_000),
		iso(now),
		random.maybe(80, iso(now + random.below(86_400_000))),
		random.maybe(5, iso(now + 86_400_000)),
	];
}

function comment(random: Random, id: number, postId: number, author: string, now: number): Value[] {
	const at = Math.floor(now / 1000) + random.below(86_400);
	return [
		id,
		postId,
		author,
		random.maybe(40, Math.max(1, id - random.below(20))),
		random.sentences(1 + random.below(3)),
		random.below(10) ** 2,
		at,
		random.maybe(10, at + 60),
		random.maybe(3, at + 600),
	];
}

/** A visit by a member or a guest: a few events from the same browser. */
function visit(random: Random, ids: { event: number }, userId: string | null, now: number): Row[] {
	const client = {
		browser: random.pick(['Chrome 142', 'Firefox 145', 'Safari 26', 'Edge 142']),
		system: random.pick(['Android', 'iOS', 'Linux', 'macOS', 'Windows']),
		width: random.pick([360, 390, 414, 1280, 1440, 1920]),
		session: random.hex(16),
	};
	const country = random.maybe(90, random.pick(['BR', 'DE', 'FR', 'GB', 'IN', 'JP', 'US']));
	const origin = random.maybe(40, `https://${random.words(1).replaceAll("'", '')}.example/`);
	return Array.from({ length: 1 + random.below(2 * EVENTS_PER_VISIT - 1) }, (_, count) => [
		'events',
		[
			++ids.event,
			now + random.below(MS_PER_POST),
			random.pick(['view', 'view', 'view', 'search', 'sign_in', 'vote']),
			userId,
			`/posts/${random.words(2).replaceAll(/[' ]/g, '-')}`,
			count === 0 ? origin : null,
			country,
			random.maybe(70, random.below(300_000) / 1000),
			JSON.stringify({ ...client, scrolled: random.below(101) }),
		],
	]);
}

function price(random: Random, id: number, now: number): Value[] {
	const amount = (1 + random.below(100_000)) / 100;
	return [
		id,
		1 + random.below(10_000),
		random.pick(['EUR', 'GBP', 'JPY', 'USD']),
		amount,
		random.maybe(50, Math.ceil(amount * 1.25)),
		random.maybe(20, random.below(50) / 100),
		random.words(2),
		iso(now).slice(0, 10),
		random.maybe(60, iso(now + 30 * 86_400_000).slice(0, 10)),
		now,
	];
}

function iso(milliseconds: number): string {
	return new Date(milliseconds).toISOString();
}
