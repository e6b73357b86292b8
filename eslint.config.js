import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

export default ts.config(
	{ ignores: ['dist/', '.svelte-kit/', '.wrangler/', 'node_modules/', 'test-results/'] },
	js.configs.recommended,
	...ts.configs.strict,
	...svelte.configs.recommended,
	prettier,
	...svelte.configs.prettier,
	{
		languageOptions: { globals: { ...globals.browser, ...globals.node } },
		rules: {
			// TypeScript knows every global; ESLint does not know Cloudflare's.
			'no-undef': 'off',
			'max-lines': ['error', 300],
		},
	},
	{
		ignores: ['**/*.{test,e2e}.ts', '**/*.svelte'],
		rules: { 'max-lines-per-function': ['error', 45] },
	},
	{
		// Commands print through terminal/print.ts, which no name or text from elsewhere can misuse. What
		// setup prints is its own, with colours; bin/ and backup.js also run in a Node that cannot run print.ts.
		files: ['src/cli/**/*.{js,ts}'],
		ignores: [
			'src/cli/terminal/**',
			'src/cli/backup.js/**',
			'src/cli/bin/**',
			// These print secrets and QR codes, as they are.
			'src/cli/commands/{secrets,setup}.ts',
			'src/cli/secrets/{set-up,show}.ts',
			'**/*.test.ts',
		],
		rules: {
			'no-console': 'error',
			'no-restricted-properties': [
				'error',
				{ object: 'process', property: 'stdout', message: 'Print with terminal/print.ts.' },
				{ object: 'process', property: 'stderr', message: 'Print with terminal/print.ts.' },
			],
		},
	},
	{
		// The library does not know SvelteKit's resolve(): the app gives its components addresses.
		files: ['src/lib/components/**/*.svelte'],
		rules: { 'svelte/no-navigation-without-resolve': 'off' },
	},
	{
		files: ['**/*.svelte', '**/*.svelte.ts'],
		languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
	},
);
