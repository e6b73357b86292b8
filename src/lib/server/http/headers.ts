/** What every answer has; `npm test` asks every route for it. */
const HEADERS = {
	'X-Content-Type-Options': 'nosniff',
	'X-Frame-Options': 'DENY',
	'Referrer-Policy': 'same-origin',
	'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
	'Cross-Origin-Opener-Policy': 'same-origin',
	'Cross-Origin-Resource-Policy': 'same-origin',
	// Every answer may depend on who asks, and the adapter's worker looks into Cloudflare's cache
	// before SvelteKit can ask who that is (adapter-cloudflare, files/worker.js).
	'Cache-Control': 'private, no-store',
};

/** What is no page of ours loads, sends and shows nothing: JSON, files, redirects, Auth.js's own pages. */
const NO_PAGE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Two years, as RFC 6797 has it: this host alone, since others of the domain may be somebody else's. */
const HTTPS_ONLY = 'max-age=63072000';

/**
 * Gives an answer the headers that keep others from using it: sniffing, framing, sharing, storing. A page
 * that SvelteKit renders has a Content-Security-Policy already, which stays.
 */
export function harden(headers: Headers, { protocol }: URL): void {
	for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
	if (protocol === 'https:') headers.set('Strict-Transport-Security', HTTPS_ONLY);
	if (!headers.has('Content-Security-Policy')) headers.set('Content-Security-Policy', NO_PAGE);
}
