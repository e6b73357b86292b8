import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import js from '@eslint/js';
import { build } from 'esbuild';
import { ESLint } from 'eslint';
import { check, format } from 'prettier';
import tseslint from 'typescript-eslint';
import { expect, test } from 'vitest';
import { wireHooks } from './hooks.ts';

/** The forms in which apps export their handle, each of which pushes `own` to the event's list. */
const FORMS: Record<string, string> = {
	'an arrow function': `// The hooks of the app.

import type { Handle } from '@sveltejs/kit';

/** Says who calls. */
export const handle: Handle = async ({ event, resolve }) => {
	event.locals.order.push('own'); // in order
	return resolve(event);
};

export const handleError = () => ({ message: 'x' });
`,
	'one without braces': `import type { Handle } from '@sveltejs/kit';
import { own } from './own';

export const handle: Handle = ({ event, resolve }) => own({ event, resolve });
`,
	'an arrow function that satisfies a type': `import type { Handle } from '@sveltejs/kit';
export const handle = (async ({ event, resolve }) => {
	event.locals.order.push('own');
	return resolve(event);
}) satisfies Handle;
`,
	'a short sequence': `import { sequence } from '@sveltejs/kit/hooks';
import { own } from './own';

export const handle = sequence(own, own);
`,
	'a long sequence': `import type { Handle } from '@sveltejs/kit';
import { sequence } from '@sveltejs/kit/hooks';
import { own as handleParaglide, own as handleBetterAuth } from './own';

export const handle: Handle = sequence(handleParaglide, handleBetterAuth);
`,
	'a sequence on many lines': `import { sequence as chain } from '@sveltejs/kit/hooks';
import { own as handleParaglide, own as handleSession } from './own';

export const handle = chain(
	// first
	handleParaglide,
	handleSession, // the session
	({ event, resolve }) => resolve(event),
);
`,
	'a sequence with a function in it': `import { sequence } from '@sveltejs/kit/hooks';

export const handle = sequence(async ({ event, resolve }) => {
	event.locals.order.push('own');
	return resolve(event);
});
`,
	'another name': `import type { Handle } from '@sveltejs/kit';
import { own as handleParaglide } from './own';

export const handle: Handle = handleParaglide;
`,
	"a function, as better-auth's": `import { building } from '$app/environment';
import { svelteKitHandler } from 'better-auth/svelte-kit';
import { auth } from '$lib/auth';

export async function handle({ event, resolve }) {
	return svelteKitHandler({ event, resolve, auth, building });
}
`,
	'a function in JavaScript, without imports': `/** @type {import('@sveltejs/kit').Handle} */
export async function handle({ event, resolve }) {
	event.locals.order.push('own');
	return resolve(event);
}
`,
	'a function and nothing else': `export const handle = ({ event, resolve }) => {
	event.locals.order.push('own');
	return resolve(event);
};
`,
	'a re-export and an import below': `import { own } from './own';

export const handle = own;

import { init } from './init';
export { building } from './own';

init();
`,
	"a re-export, as Auth.js's": `export { handle } from './auth';
`,
	'a re-export below imports': `import { init } from './init';
export { authHandle as handle } from './auth';

init();
`,
};

const NONE = {
	'no file': null,
	'an empty file': '',
	'only other hooks': `import type { HandleServerError } from '@sveltejs/kit';

export const handleError: HandleServerError = () => ({ message: 'x' });
`,
	'no imports, below @ts-check': `// @ts-check

export function init() {}
`,
};

const WANTED = {};

/** Tabs and two spaces, double quotes, no semicolons; narrow and wide. */
const STYLES = {
	tabs: { useTabs: true, singleQuote: true },
	wide: { useTabs: true, singleQuote: true, printWidth: 100, trailingComma: 'none' },
	spaces: { tabWidth: 2 },
	bare: { tabWidth: 2, semi: false, singleQuote: true, printWidth: 120 },
} as const;

const styled = (text: string, style: keyof typeof STYLES) =>
	format(text, { parser: 'typescript', ...STYLES[style] });

/** Wires hooks that are known. */
function wired(text: string | null, wanted: Parameters<typeof wireHooks>[1] = WANTED): string {
	const after = wireHooks(text, wanted);
	if (after === null) throw new Error('not known');
	return after;
}

const each = (forms: Record<string, string | null>) =>
	test.for(
		Object.entries(forms).flatMap(([name, text]) =>
			Object.keys(STYLES).map((style) => [name, style as keyof typeof STYLES, text] as const),
		),
	);

each({ ...FORMS, ...NONE })('%s with %s stays in the form of Prettier', async ([, style, form]) => {
	const before = form && (await styled(form, style));
	const after = wired(before);
	// The style is that of the imports. Without any, only the app's Prettier knows it: format.ts asks that.
	if (before?.includes(' from '))
		expect(await check(after, { parser: 'typescript', ...STYLES[style] })).toBe(true);
	expect(wired(after)).toBe(after);
	const added = after.split('\n').length - (before ?? '').split('\n').length;
	expect(added).toBeLessThanOrEqual(7);
});

test.for(Object.entries({ ...FORMS, ...NONE }))('%s: every line of it stays', ([, form]) => {
	const after = wired(form).replaceAll('handleRequest', 'handle').split('\n');
	for (const line of (form ?? '').split('\n')) {
		const kept = after.some((one) =>
			one.replace('backups.handle, ', '').includes(line.replace('export ', '')),
		);
		expect([line, kept || /^export .* from |^export const handle/.test(line)]).toEqual([
			line,
			true,
		]);
	}
});

test.for(Object.entries({ ...FORMS, ...NONE }))(
	'%s: ESLint finds nothing more',
	async ([, form]) => {
		const eslint = new ESLint({
			overrideConfigFile: true,
			overrideConfig: [
				js.configs.recommended,
				...tseslint.configs.strict,
				{ rules: { 'no-undef': 'off' } },
			] as ESLint.Options['overrideConfig'],
		});
		const [result] = await eslint.lintText(wired(form), { filePath: 'hooks.server.ts' });
		expect(result?.messages).toEqual([]);
	},
);

test.for(Object.entries({ ...FORMS, ...NONE }))('%s: Lifeboat comes first', async ([, form]) => {
	const own = Object.values(FORMS).includes(form ?? '');
	const order = await run(wired(form));
	expect(order[0]).toBe('lifeboat');
	expect(order.includes('own')).toBe(own);
});

test.for(Object.entries(FORMS))('%s with CRLF keeps CRLF', ([, form]) => {
	const after = wired(form.replaceAll('\n', '\r\n'));
	expect(after.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
	expect(after.replaceAll('\r\n', '\n')).toBe(wired(form));
});

test('the changes are these', () => {
	expect(wired(FORMS['an arrow function'] ?? '')).toBe(`// The hooks of the app.

import type { Handle } from '@sveltejs/kit';
import { lifeboat } from 'lifeboat';
import { sequence } from '@sveltejs/kit/hooks';

const backups = lifeboat();

/** Says who calls. */
const handleRequest: Handle = async ({ event, resolve }) => {
	event.locals.order.push('own'); // in order
	return resolve(event);
};

export const handle = sequence(backups.handle, handleRequest);

export const handleError = () => ({ message: 'x' });
`);
	expect(wired(FORMS["a re-export, as Auth.js's"] ?? ''))
		.toBe(`import { handle as handleRequest } from './auth';
import { lifeboat } from 'lifeboat';
import { sequence } from '@sveltejs/kit/hooks';

const backups = lifeboat();

export const handle = sequence(backups.handle, handleRequest);
`);
	expect(wired(null)).toBe(`import { lifeboat } from 'lifeboat';

export const handle = lifeboat().handle;
`);
	expect(wired(FORMS['a short sequence'] ?? '')).toContain(
		'export const handle = sequence(backups.handle, own, own);',
	);
	expect(wired(FORMS['another name'] ?? '')).toContain(
		'export const handle: Handle = sequence(backups.handle, handleParaglide);',
	);
	expect(wired(FORMS['a sequence on many lines'] ?? '')).toContain(
		'chain(\n\t// first\n\tbackups.handle,\n\thandleParaglide,',
	);
});

const OWN = `const own = ({ event, resolve }) => { event.locals.order.push('own'); return resolve(event); };
export { own, own as handle, own as authHandle, own as svelteKitHandler };
export const auth = {}; export const building = false; export const init = () => {};`;
const LIFEBOAT = `export const lifeboat = () => ({ handle: ({ event, resolve }) => {
	event.locals.order.push('lifeboat'); return resolve(event); } });`;
const SEQUENCE = `export const sequence = (...all) => ({ event, resolve }) => {
	const [first, ...rest] = all;
	return first({ event, resolve: rest.length ? (e) => sequence(...rest)({ event: e, resolve }) : resolve });
};`;

/** The handles that a request goes through, in order, with stand-ins for every import. */
async function run(text: string): Promise<string[]> {
	const folder = mkdtempSync(join(tmpdir(), 'lifeboat-hooks-'));
	try {
		const outfile = join(folder, 'hooks.mjs');
		writeFileSync(join(folder, 'hooks.ts'), text);
		const contents = (path: string) =>
			path === 'lifeboat' ? LIFEBOAT : path === '@sveltejs/kit/hooks' ? SEQUENCE : OWN;
		await build({
			entryPoints: [join(folder, 'hooks.ts')],
			bundle: true,
			format: 'esm',
			outfile,
			logLevel: 'silent',
			plugins: [
				{
					name: 'stand-ins',
					setup({ onResolve, onLoad }) {
						onResolve({ filter: /./ }, ({ path, kind }) =>
							kind === 'entry-point' ? undefined : { path, namespace: 'own' },
						);
						onLoad({ filter: /./, namespace: 'own' }, ({ path }) => ({ contents: contents(path) }));
					},
				},
			],
		});
		const { handle } = await import(/* @vite-ignore */ outfile);
		const event = { locals: { order: [] as string[] } };
		await handle({ event, resolve: async () => new Response() });
		return event.locals.order;
	} finally {
		rmSync(folder, { recursive: true });
	}
}
