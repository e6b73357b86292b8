// Compiles only if Cloudflare's bindings can be assigned to the library's own types: `npm run check`.
import type * as current from '@cloudflare/workers-types';
import type * as four from 'workers-types-4';
import type * as first from 'workers-types-4-first'; // whose D1 has sessions
import type * as own from '../../src/lib/server/platform.ts';

// The global types, which tests/workerd.d.ts declares, have the form of what `wrangler types` writes.

export const databases = (
	...bindings: [D1Database, current.D1Database, four.D1Database, first.D1Database]
): own.D1Database[] => bindings;

export const buckets = (
	...bindings: [R2Bucket, current.R2Bucket, four.R2Bucket, first.R2Bucket]
): own.R2Bucket[] => bindings;
