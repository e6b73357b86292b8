import adapter from '@sveltejs/adapter-cloudflare';
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

/** @type {import('@sveltejs/kit').Config} */
export default {
	preprocess: vitePreprocess(),
	kit: {
		adapter: adapter(),
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
