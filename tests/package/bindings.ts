// Compiles only if Cloudflare's bindings can be assigned to the library's own types: `npm run check`.
import type * as imported from '@cloudflare/workers-types';
import type * as own from '../../src/lib/server/platform.ts';

/** The global types, which tests/workerd.d.ts declares, have the form of what `wrangler types` writes. */
export const databases = (...bindings: [D1Database, imported.D1Database]): own.D1Database[] =>
	bindings;

export const buckets = (...bindings: [R2Bucket, imported.R2Bucket]): own.R2Bucket[] => bindings;
