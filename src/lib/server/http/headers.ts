/** The headers of every answer; `npm test` checks every route for them. */
const HEADERS = {
	'X-Content-Type-Options': 'nosniff',
	'X-Frame-Options': 'DENY',
	'Referrer-Policy': 'same-origin',
	'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
	'Cross-Origin-Opener-Policy': 'same-origin',
	'Cross-Origin-Resource-Policy': 'same-origin',
	// Any answer may depend on the caller, and the adapter's worker looks into Cloudflare's cache before
	// SvelteKit can check who that is (adapter-cloudflare, files/worker.js).
	'Cache-Control': 'private, no-store',
};

/** For everything but our pages, such as JSON, files, redirects and Auth.js's own pages: nothing at all. */
const NO_PAGE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Two years, in seconds, for this host only: other hosts of the domain may be somebody else's (RFC 6797). */
const HTTPS_ONLY = 'max-age=63072000';

/**
 * Adds the headers that protect an answer from sniffing, framing, sharing and caching. The
 * Content-Security-Policy that SvelteKit gives to pages stays.
 */
export function protect(headers: Headers): void {
	for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
	if (!headers.has('Content-Security-Policy')) headers.set('Content-Security-Policy', NO_PAGE);
}

/** Protects an answer, and tells browsers to stay with https: only the app may decide that for its host. */
export function harden(headers: Headers, { protocol }: URL): void {
	protect(headers);
	if (protocol === 'https:') headers.set('Strict-Transport-Security', HTTPS_ONLY);
}
