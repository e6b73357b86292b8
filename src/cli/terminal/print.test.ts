import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { annotate } from './annotate.ts';
import { describe as sentences } from './errors.ts';
import { ask, print, printAside, printJson } from './print.ts';
import { Progress } from './progress.ts';
import { formatTable } from './text.ts';

/** What terminals and runners obey, what reorders letters, and what looks like a line of its own. */
const EVIL = [
	'\u001b[31mred\u001b]0;title\u0007',
	'\u009b31m',
	'over\rwritten',
	'next\nline',
	'\u202eright to left\u2066',
	'\u2028separated\u{e0041}',
	'\n::error::x',
	'##[add-mask]x',
].join(' ');

let printed: string;
beforeEach(() => {
	printed = '';
	const write = (text: unknown) => (printed += `${String(text)}\n`);
	vi.spyOn(console, 'log').mockImplementation(write);
	vi.spyOn(console, 'error').mockImplementation(write);
	vi.spyOn(process.stderr, 'write').mockImplementation((text) => Boolean(write(text).length));
	vi.stubEnv('GITHUB_ACTIONS', 'true');
});
afterEach(() => {
	vi.restoreAllMocks();
	vi.unstubAllEnvs();
});

test.for<[string, () => void]>([
	['lines', () => print(['one', EVIL])],
	['lines aside', () => printAside([EVIL])],
	['a question', () => ask(EVIL)],
	['JSON', () => printJson({ [EVIL]: [EVIL] })],
	['a table', () => print(formatTable([EVIL], [[EVIL]]))],
	['an error', () => printAside(sentences(new Error(EVIL)).split('\n'))],
	['a step', () => new Progress().step(EVIL)],
	['a note', () => new Progress().note(EVIL)],
	['a step that looks like a command', () => new Progress().step(' ::error::x')],
])('%s that are planted do nothing', ([, work]) => {
	work();
	expect(printed).toMatch(/\S/);
	for (const line of printed.split('\n')) {
		expect(line).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
		expect(line).not.toMatch(/^\s*(::|line)/);
		expect(line).not.toContain('##[');
	}
});

test('an annotation is one workflow command, whatever its message', () => {
	annotate('warning', 'Title', `${EVIL} %0A`);
	expect(printed.trimEnd().split('\n')).toHaveLength(1);
	expect(printed).toMatch(/^::warning title=Title::.* next%0Aline .*%0A::error::x .* %250A\n$/);
	expect(printed.trimEnd()).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
});

test('outside a workflow no line of a message looks like one of the command', () => {
	vi.stubEnv('GITHUB_ACTIONS', '');
	annotate('error', 'Title', EVIL);
	expect(printed.split('\n').slice(0, 3)).toEqual([
		expect.stringMatching(/^Title: /),
		expect.stringMatching(/^ {2}line/),
		expect.stringMatching(/^ {2}::error/),
	]);
});

test('plain text and JSON stay as they are', () => {
	print(['Grüße, 世界 🙂']);
	printJson({ a: 'é\u001b', b: '##[x]' });
	const [text, json = ''] = printed.split('\n');
	expect(text).toBe('Grüße, 世界 🙂');
	expect(json).toMatch(/^[ -~]+$/);
	expect(JSON.parse(json)).toEqual({ a: 'é\u001b', b: '##[x]' });
});
