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

/** What a Worker must not serve from the folder of the build (Workers > Static assets > Ignoring assets). */
const NOT_ASSETS = ['_worker.js', '_routes.json', '_headers', '_redirects', ''].join('\n');

/**
 * Adds security headers to answers that SvelteKit makes before it calls a hook: to forms of other
 * origins, addresses with a trailing slash, missing files, redirects of data requests.
 *
 * @param {import('@sveltejs/kit').Adapter} adapter that of Cloudflare
 * @returns {import('@sveltejs/kit').Adapter}
 */
function hardened(adapter) {
	return {
		...adapter,
		async adapt(builder) {
			await adapter.adapt(builder);
			const worker = `${builder.getBuildDirectory('cloudflare')}/_worker.js`;
			// To a folder of the same depth, so that its relative imports still work.
			renameSync(worker, `${builder.getBuildDirectory('cloudflare-tmp')}/worker.js`);
			writeFileSync(worker, WORKER);
			// For wrangler.worker.toml; Pages itself leaves them out.
			writeFileSync(`${builder.getBuildDirectory('cloudflare')}/.assetsignore`, NOT_ASSETS);
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
				// The style attribute of SvelteKit's announcer of page changes, for screen readers.
				'style-src-attr': ['unsafe-hashes', 'sha256-S8qMpvofolR8Mpjy4kQvEm7m1q8clzU4dfDH0AmvZjo='],
				'object-src': ['none'],
				'base-uri': ['none'],
				'frame-ancestors': ['none'],
				// No form-action: browsers also apply it to redirects after a form is sent, and sign-in leads
				// to GitHub, to a company's own server, or wherever that one redirects.
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
