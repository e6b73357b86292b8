import { createRequire } from 'node:module';
import { join } from 'node:path';
import { LifeboatError } from '../../lib/server/errors.ts';

/**
 * wrangler as the app in the current folder has it, and otherwise as it is installed with this program.
 * Throws `wrangler_missing` (500).
 */
export function loadWrangler(): typeof import('wrangler') {
	return requireWrangler()('wrangler');
}

/** wrangler's own Miniflare, which not every package manager lets an app load. Throws the same. */
export function loadMiniflare(): typeof import('miniflare') {
	return createRequire(requireWrangler().resolve('wrangler'))('miniflare');
}

function requireWrangler(): NodeJS.Require {
	const places = [join(process.cwd(), 'package.json'), import.meta.filename].map(createRequire);
	const place = places.find(hasWrangler);
	if (place) return place;
	throw new LifeboatError('wrangler is not installed here.', {
		code: 'wrangler_missing',
		status: 500,
		hint: 'Install it in the folder of the app: npm install --save-dev wrangler',
	});
}

function hasWrangler(place: NodeJS.Require): boolean {
	try {
		place.resolve('wrangler');
		return true;
	} catch {
		return false;
	}
}
