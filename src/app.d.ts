import type {} from '@auth/sveltekit'; // adds `locals.auth` and `page.data.session`
import type { AppEnvironment } from '$accounts/settings';

declare global {
	namespace App {
		interface Error {
			message: string;
			code?: string;
			hint?: string;
		}
		interface Locals {
			/** The status of an error that was thrown, in place of SvelteKit's 500. */
			errorStatus?: number;
		}
		interface Platform {
			env: AppEnvironment;
			ctx: { waitUntil(promise: Promise<unknown>): void };
		}
	}
}

export {};
