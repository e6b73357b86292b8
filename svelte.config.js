import adapter from '@sveltejs/adapter-cloudflare';
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';
import { renameSync, writeFileSync } from 'node:fs';

const WORKER = `
import app from '../cloudflare-tmp/worker.js';
import { harden } from '../../src/lib/server/http/headers.ts';

export default {
	async fetch(request, env, context) {
		const answer = await app.fetch(request, env, context);
		const response = new Response(answer.body, answer);
		harden(response.headers, new URL(request.url));
		return response;
	},
};
`;

/**
 * Gives their headers to answers that no hook sees, as SvelteKit makes them before it calls one: to forms
 * of other origins, addresses with a slash too many, files that are not there, redirects of data.
 *
 * @param {import('@sveltejs/kit').Adapter} adapter Cloudflare's
 * @returns {import('@sveltejs/kit').Adapter}
 */
function hardened(adapter) {
	return {
		...adapter,
		async adapt(builder) {
			await adapter.adapt(builder);
			const worker = `${builder.getBuildDirectory('cloudflare')}/_worker.js`;
			// Into a folder as deep, so that what it imports is where it looks.
			renameSync(worker, `${builder.getBuildDirectory('cloudflare-tmp')}/worker.js`);
			writeFileSync(worker, WORKER);
		},
	};
}

/** @type {import('@sveltejs/kit').Config} */
export default {
	preprocess: vitePreprocess(),
	kit: {
		adapter: hardened(adapter()),
		alias: { $accounts: 'src/accounts' },
		csp: {
			directives: {
				'default-src': ['self'],
				'img-src': ['self', 'data:', 'https://avatars.githubusercontent.com'],
				// The style attribute of SvelteKit's own announcer of page changes, for screen readers.
				'style-src-attr': ['unsafe-hashes', 'sha256-S8qMpvofolR8Mpjy4kQvEm7m1q8clzU4dfDH0AmvZjo='],
				'object-src': ['none'],
				'base-uri': ['none'],
				'frame-ancestors': ['none'],
				// No form-action: browsers apply it to where a form's answer redirects, and the sign-in
				// form ends at GitHub, at a company's own server, or at whatever that one redirects to.
			},
		},
		typescript: {
			config(config) {
				config.include.push(
					'../genTotp.js',
					'../*.config.ts',
					'../tests/**/*.ts',
					'../bench/**/*.ts',
				);
			},
		},
	},
};
