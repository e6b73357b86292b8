/// <reference types="@cloudflare/workers-types" />
/// <reference types="@cloudflare/vitest-plugin/types" />

// The bindings that vitest.config.ts gives to tests inside workerd.
declare namespace Cloudflare {
	interface Env {
		DB: D1Database;
		COPY: D1Database;
		MY_BUCKET: R2Bucket;
		WITNESS: Fetcher;
	}
}
