import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { settings } from '../../../../tests/databases/settings.ts';
import { LifeboatError } from '../errors.ts';
import { readJson, readQuery } from './input.ts';

const Schema = v.variant('action', [
	v.strictObject({ action: v.literal('list'), when: v.optional(v.picklist(['now', 'later'])) }),
	v.strictObject({ action: v.literal('count'), number: v.pipe(v.number(), v.minValue(1)) }),
]);

const JSON_TYPE = { 'Content-Type': 'application/json' };

/** A request with this body, which `fetch` might not accept. */
function posting(body: BodyInit, headers: Record<string, string> = JSON_TYPE): Request {
	return new Request('https://app.example', { method: 'POST', body, headers });
}

async function refusal(request: Request): Promise<LifeboatError> {
	const error = await readJson(request, Schema).then(
		() => new Error('passed'),
		(error: unknown) => error,
	);
	if (error instanceof LifeboatError) return error;
	throw error;
}

describe('a body', () => {
	test.for(['', '{"action":"li'])(
		'%j that was cut off is refused, though its rest may mean something',
		async (rest) => {
			const headers = { ...JSON_TYPE, 'Content-Length': '17' };
			const error = await readJson(posting(rest, headers), Schema, { action: 'list' }).then(
				() => null,
				(error: unknown) => error,
			);
			expect(error).toMatchObject({ code: 'body_invalid', hint: 'It was cut off.' });
		},
	);

	test.for([
		['{"action":"delete"}', 'action: expected ("list" | "count")'],
		['{}', 'action: expected ("list" | "count")'],
		['{"action":"list","when":"never"}', 'when: expected ("now" | "later")'],
		['{"action":"count","number":"1"}', 'number: expected number'],
		['{"action":"count","number":0}', 'number: expected >=1'],
		['{"action":"list","<script>":1}', 'It has a field that is not in docs/api.md.'],
		['{"action":"list"', 'It is not valid JSON.'],
		['7', 'expected Object'],
		['null', 'expected Object'],
	])('%s is refused with what is expected', async ([body = '', hint]) => {
		expect(await refusal(posting(body))).toMatchObject({ code: 'body_invalid', status: 400, hint });
	});

	test('is never echoed, whatever it is', async () => {
		const word = fc.stringMatching(/^[a-z<>]{12,20}$/);
		const body = word.chain((text) =>
			fc.record({
				text: fc.constant(text),
				body: fc.oneof(
					...[text, `"${text}"`, `{"${text}":1}`, `{"action":"${text}"}`].map(fc.constant),
					...[`{"action":"list","${text}":{}}`, `{"action":"list","when":"${text}"}`].map(
						fc.constant,
					),
					...[`{"action":"count","number":"${text}"}`, `["${text}"]`].map(fc.constant),
				),
			}),
		);
		await fc.assert(
			fc.asyncProperty(body, async ({ text, body }) => {
				const { message, hint } = await refusal(posting(body));
				expect(`${message} ${hint}`).not.toContain(text);
			}),
			settings(1000).check,
		);
	});

	test('that is not valid UTF-8 is refused', async () => {
		const bytes = new Uint8Array([
			...new TextEncoder().encode('{"action":"'),
			0xff,
			0xfe,
			0x22,
			0x7d,
		]);
		expect(await refusal(posting(bytes))).toMatchObject({ code: 'body_invalid', status: 400 });
	});

	test('that breaks off is refused', async () => {
		const broken = new ReadableStream<Uint8Array>({
			start: (controller) => controller.enqueue(new TextEncoder().encode('{"action"')),
			pull: (controller) => controller.error(new Error('Network connection lost.')),
		});
		expect(await refusal(posting(broken))).toMatchObject({ code: 'body_invalid', status: 400 });
	});

	test('that is nested as deeply as its size allows is refused', async () => {
		for (const deep of [
			'['.repeat(49_000),
			'['.repeat(24_000) + ']'.repeat(24_000),
			'{"a":'.repeat(9000),
		]) {
			expect(await refusal(posting(deep))).toMatchObject({ code: 'body_invalid', status: 400 });
		}
	});

	test('that is too large is refused, whether or not its length is declared', async () => {
		const large = 'x'.repeat(50_001);
		expect(await refusal(posting(large))).toMatchObject({ code: 'body_too_large', status: 413 });
		const streamed = new Response(large).body;
		if (streamed)
			expect(await refusal(posting(streamed))).toMatchObject({ code: 'body_too_large' });
		const declared = posting('{}', { ...JSON_TYPE, 'Content-Length': '50001' });
		expect(await refusal(declared)).toMatchObject({ code: 'body_too_large' });
	});
});

describe('the content type', () => {
	const send = (type: string) =>
		readJson(posting('{"action":"list"}', { 'Content-Type': type }), Schema);

	test.for([
		'application/json',
		'Application/JSON',
		'application/json; charset=utf-8',
		' application/json ;x',
	])('%s is accepted', async (type) => expect(await send(type)).toEqual({ action: 'list' }));

	test.for([
		...['application/jsonx', 'application/json-patch+json', 'text/json', 'text/plain', 'x'],
		...[
			'application/x-www-form-urlencoded',
			'text/plain; application/json',
			'application/json,text/plain',
		],
	])('%s is refused', async (type) => {
		await expect(send(type)).rejects.toMatchObject({
			code: 'content_type_unsupported',
			status: 415,
		});
	});
});

test('a query is refused with what is expected, and is not echoed', () => {
	const Query = v.object({ limit: v.pipe(v.string(), v.digits()) });
	for (const query of ['', '?limit=evilevil', '?limit=-1', '?limit[]=1']) {
		expect(() => readQuery(new URL(`https://app.example/${query}`), Query)).toThrow(
			expect.objectContaining({
				code: 'query_invalid',
				status: 400,
				hint: expect.not.stringContaining('evil'),
			}),
		);
	}
});
