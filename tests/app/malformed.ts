import fc from 'fast-check';

// Malformed and hostile requests.

/** A request to be sent as bytes, which need not be valid HTTP. */
export interface Malformed {
	/** The valid credentials that are sent with it. */
	credentials: 'none' | 'key' | 'both';
	method: string;
	path: string;
	/** Header lines, without line ends. */
	headers: string[];
	body: Buffer;
	/** How the headers describe the body: not at all, its length, a wrong length, or in chunks. */
	length: 'none' | 'right' | 'longer' | 'shorter' | 'negative' | 'chunked' | 'broken chunks';
}

/** One whose body the app itself refuses, which few of the drawn ones are. */
export const TOO_LONG: Malformed = {
	credentials: 'both',
	method: 'POST',
	path: '/api/backup',
	headers: ['Content-Type: application/json'],
	body: Buffer.alloc(50_001, 'x'),
	length: 'right',
};

const NASTY = [
	...[
		'..',
		'.',
		'%2e%2e',
		'%2E.',
		'..%2f',
		'%2f',
		'%5c',
		'\\',
		'%00',
		'%0d%0aX:1',
		'%zz',
		'%',
		'%c0%ae',
	],
	...[
		'%ff',
		'%F0%9F%92%A9',
		'//',
		';',
		'?',
		'#',
		'*',
		'~',
		'__data.json',
		'__proto__',
		'constructor',
	],
	...[
		'lifeboat.lock',
		'lifeboat.drill.lock',
		'access',
		'guesses.json',
		'spent',
		'journal',
		'operations',
	],
	...['watch.json', 'manifest.json', '.env', '_worker.js', 'wrangler.toml', 'x'.repeat(3000)],
];
const METHODS = [
	...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'],
	...['get', 'G E T', 'X'.repeat(40), '\u0000', ''],
];
const ACTIONS = ['backup', 'resume', 'verify', 'drill', 'proof', 'delete', 'restore', '__proto__'];

const text = fc.oneof(
	fc.string({ maxLength: 40 }),
	fc.string({ unit: 'binary', maxLength: 20 }),
	fc.constantFrom(
		...NASTY,
		'null',
		'0',
		'-1',
		'1e999',
		"' OR 1=1 --",
		'<script>alert(1)</script>',
		'${7*7}',
	),
);
/** Any text as a single line; NUL is sent as it is. */
const line = text.map((value) => value.replace(/[\r\n]/g, ' '));

/** Text that HTTP allows in a header (RFC 9110, section 5), so that it reaches the app. */
const visible = fc.oneof(
	fc.stringMatching(/^[!-~][ -~]{0,40}[!-~]$/),
	fc.constantFrom(...NASTY.filter((text) => /^[!-~]+$/.test(text))),
	fc.string({ unit: 'binary', maxLength: 20 }).map((value) => value.replace(/\p{Cc}/gu, 'x')),
);
const token = fc.stringMatching(/^X-[a-zA-Z!#$%&'*+.^_`|~0-9-]{1,20}$/);

function near(name: string): fc.Arbitrary<string> {
	const at = fc.nat(name.length - 1);
	return fc.oneof(
		at.map((i) => name.slice(0, i)),
		at.map((i) => name.slice(0, i) + name.slice(i + 1)),
		at.map((i) => `${name.slice(0, i)}\u0000${name.slice(i)}`.replace('\u0000', '%00')),
		fc.constantFrom(
			`${name}.`,
			`${name}%20`,
			`./${name}`,
			`x/../${name}`,
			`..%2f${name}`,
			`/${name}`,
		),
		fc.constantFrom(
			name.toUpperCase(),
			name.toLowerCase(),
			`${name}?x=1`,
			`${name}%00`,
			`${name}/..`,
		),
		fc.constantFrom(name, encodeURIComponent(name), name.replaceAll(':', '%3a')),
	);
}

function paths(files: string[]): fc.Arbitrary<string> {
	const piece = fc.oneof(fc.constantFrom(...NASTY), fc.string({ maxLength: 10 }));
	const file = fc.constantFrom(...files).chain(near);
	const query = fc.oneof(
		fc.constant(''),
		text.map((value) => `?limit=${value}`),
		text.map((value) => `?cursor=${value}&before=${value}`),
	);
	const tail = fc.oneof(
		file,
		fc.array(piece, { maxLength: 4 }).map((all) => all.join('/')),
	);
	const base = fc.constantFrom(
		'/api/backup/',
		'/api/backup',
		'/api/backup/journal',
		'/api/backup/check',
		'/api/users',
		'/',
		'/backups',
		'/auth/',
		'/auth/signin/',
		'/auth/callback/github',
		'/api//backup/',
		'/./api/backup/',
	);
	return fc.tuple(base, tail, query).map((all) => all.join('').replace(/[ \r\n]/g, '+'));
}

const bodies: fc.Arbitrary<Buffer> = fc.oneof(
	fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
	fc
		.constantFrom(
			...['', ' ', '{', '[]', 'null', '7', '"x"', '{}', '{"action":null}', '{"action":["backup"]}'],
			...[
				'{"action":{"a":1}}',
				'{"action":"backup","action":"x"}',
				'{"action":"resume","ticket":"a.b.c"}',
			],
			...['{"action":"resume","ticket":{}}', '['.repeat(20_000), '{"a":'.repeat(9_000), '\ufeff{}'],
		)
		.map((body) => Buffer.from(body)),
	fc.tuple(fc.constantFrom(...ACTIONS), fc.json({ maxDepth: 3 })).map(([action, other]) =>
		// An unknown field, so that none of these starts anything.
		Buffer.from(JSON.stringify({ action, nothing: other })),
	),
	fc.constantFrom(50_001, 300_000).map((size) => Buffer.alloc(size, 'x')),
);

const headers: fc.Arbitrary<string> = fc.oneof(
	fc
		.tuple(
			fc.constantFrom(
				'Range',
				'If-Range',
				'If-None-Match',
				'Accept',
				'Accept-Encoding',
				'Cookie',
				'Origin',
				'Referer',
				'X-Forwarded-Host',
				'X-Forwarded-Proto',
				'X-HTTP-Method-Override',
				'Content-Encoding',
				'Expect',
				'Upgrade',
				'Transfer-Encoding',
				'X-SvelteKit-Action',
			),
			visible,
		)
		.map(([name, value]) => `${name}: ${value}`),
	fc.constantFrom(
		'Range: bytes=0-',
		'Range: bytes=-0',
		'Range: bytes=9-1',
		'Range: bytes=99999999999999999999-',
		'Range: bytes=0-1,3-4',
		'Accept: application/x-ndjson',
		'Content-Encoding: gzip',
	),
	fc.tuple(token, visible).map(([name, value]) => `${name}: ${value}`),
);

const types = fc
	.oneof(
		fc.constantFrom(
			'application/json',
			'application/json; charset=utf-16',
			'text/plain',
			'multipart/form-data; boundary=x',
			'application/x-www-form-urlencoded',
			'application/x-sveltekit-formdata',
			'APPLICATION/JSON;;;',
			'',
		),
		line,
	)
	.map((type) => `Content-Type: ${type}`);

/** What callers without credentials send instead; none of these is a valid code. */
const strangers = fc
	.oneof(
		fc.constantFrom(
			'',
			'Bearer',
			'Bearer ',
			'Bearer 12345',
			'Bearer 1234567',
			'Basic Og==',
			'Bearer a.b.c',
			'Bearer eyJhbGciOiJub25lIn0.e30.',
			`Bearer ${'9'.repeat(9000)}`,
			'Bearer １２３４５６',
			'Bearer 123456\u0000',
		),
		line.map((value) => `Bearer ${value}x`),
	)
	.map((value) => `Authorization: ${value}`);

/** Malformed requests to an app with these files. */
export function malformed(files: string[]): fc.Arbitrary<Malformed> {
	return fc
		.record({
			credentials: fc.constantFrom(
				'none' as const,
				'key' as const,
				'both' as const,
				'both' as const,
			),
			method: fc.oneof(
				{ weight: 3, arbitrary: fc.constantFrom('GET', 'POST') },
				fc.constantFrom(...METHODS),
			),
			path: paths(files),
			authorization: strangers,
			type: types,
			others: fc.array(headers, { maxLength: 4 }),
			/** One in ten has a line that is not a header, which the server rejects before the app sees it. */
			broken: fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, fc.tuple(line)),
			body: bodies,
			length: fc.constantFrom<Malformed['length']>(
				'none',
				'right',
				'right',
				'right',
				'longer',
				'shorter',
				'negative',
				'chunked',
				'broken chunks',
			),
		})
		.map(({ authorization, type, others, broken, ...request }) => ({
			...request,
			// Without a body, a call with a code legitimately starts a backup.
			...(request.credentials === 'both' && withBody(request)),
			...(request.method === 'HEAD' && { length: 'none' as const }),
			headers: [
				type,
				...others,
				...broken,
				...(request.credentials === 'both' ? [] : [authorization]),
			],
		}));
}

function withBody({ body, length }: Pick<Malformed, 'body' | 'length'>): Partial<Malformed> {
	const sent = body.subarray(0, -1).toString('utf8'); // for a Content-Length that is too short
	return {
		body: sent.trim() === '' ? Buffer.from('{ {') : body,
		length: length === 'none' ? 'right' : length,
	};
}
