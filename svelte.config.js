import adapter from '@sveltejs/adapter-cloudflare';
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

/** @type {import('@sveltejs/kit').Config} */
export default {
	preprocess: vitePreprocess(),
	kit: {
		adapter: adapter(),
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
