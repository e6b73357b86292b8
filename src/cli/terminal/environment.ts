/**
 * What other programs may know of our environment: where things are, how to reach the network, how to
 * print. The rest stays here, so that no package reads a secret that it does not need.
 */
const PASSED = [
	...[
		'PATH',
		'HOME',
		'USER',
		'LOGNAME',
		'SHELL',
		'TMPDIR',
		'TEMP',
		'TMP',
		'TZ',
		'LANG',
		/^LC_\w+$/,
	],
	...['CI', 'TERM', 'COLORTERM', 'NO_COLOR', 'FORCE_COLOR', /^XDG_\w+$/, 'npm_package_name'],
	...['NODE_OPTIONS', 'NODE_PATH', 'NODE_COMPILE_CACHE', 'NODE_EXTRA_CA_CERTS'],
	...['SSL_CERT_FILE', 'SSL_CERT_DIR', /^(https?|all|no)_proxy$/i],
	...['WRANGLER_LOG', 'WRANGLER_SEND_METRICS'],
	...['SystemRoot', 'APPDATA', 'LOCALAPPDATA', 'USERPROFILE', 'PATHEXT', 'ComSpec'], // Windows
];

/** What wrangler needs on top to act on Cloudflare in the operator's name. */
const ACCOUNT = [
	...['CLOUDFLARE_API_TOKEN', 'CLOUDFLARE_API_KEY', 'CLOUDFLARE_EMAIL'],
	...['CLOUDFLARE_ACCOUNT_ID', 'CLOUDFLARE_API_BASE_URL'],
];

/** What gh needs on top to act on GitHub in the operator's name. */
const GITHUB = [
	...['GH_TOKEN', 'GITHUB_TOKEN', 'GH_ENTERPRISE_TOKEN', 'GITHUB_ENTERPRISE_TOKEN'],
	...['GH_HOST', 'GH_REPO', 'GH_CONFIG_DIR'],
];

/** The environment of a program that we start, and which has no business on Cloudflare. */
export function childEnvironment(): NodeJS.ProcessEnv {
	return passed(PASSED);
}

/** The environment of a program that acts on Cloudflare. */
export function accountEnvironment(): NodeJS.ProcessEnv {
	return passed([...PASSED, ...ACCOUNT]);
}

/** The environment of a program that acts on GitHub. */
export function githubEnvironment(): NodeJS.ProcessEnv {
	return passed([...PASSED, ...GITHUB]);
}

function passed(names: (string | RegExp)[]): NodeJS.ProcessEnv {
	const isPassed = (name: string) =>
		names.some((one) => (one instanceof RegExp ? one.test(name) : one === name));
	return Object.fromEntries(Object.entries(process.env).filter(([name]) => isPassed(name)));
}
