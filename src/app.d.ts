import type { Environment } from '$lib/server/config';

declare global {
	namespace App {
		interface Error {
			message: string;
			code?: string;
			hint?: string;
		}
		interface Platform {
			env: Environment;
		}
	}
}

export {};
