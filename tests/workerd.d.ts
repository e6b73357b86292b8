/// <reference types="@cloudflare/workers-types" />
/// <reference types="@cloudflare/vitest-plugin/types" />

// The bindings that vitest.config.ts gives to tests inside workerd.
declare namespace Cloudflare {
	interface Env {
		DB: import('@cloudflare/workers-types').D1Database;
		COPY: import('@cloudflare/workers-types').D1Database;
		DRILL_DB: import('@cloudflare/workers-types').D1Database;
		MY_BUCKET: import('@cloudflare/workers-types').R2Bucket;
		MY_LOGS_BUCKET: import('@cloudflare/workers-types').R2Bucket;
		WITNESS: Fetcher;
	}
}
