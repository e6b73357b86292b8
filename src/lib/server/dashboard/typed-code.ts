import { admitTyped, type Caller } from '../access/index.ts';
import { JustLocked } from '../access/lockout.ts';
import { accessSettings } from '../access/settings.ts';
import { operationsOf } from '../operations/index.ts';
import { watchLockout } from '../operations/watch.ts';
import type { Visit } from './visit.ts';

/**
 * Admits the code that a person typed into a form, and uses it up. The list of administrators lies in the very
 * database that is backed up, so a session alone decides nothing that matters.
 *
 * Throws what {@link admitTyped} throws, and `code_spent` (401).
 */
export async function requireTypedCode(visit: Visit, form: FormData): Promise<Caller> {
	const caller = await typedCode(visit, form);
	await caller.spend();
	return caller;
}

/** Admits it without using it up. Throws what {@link admitTyped} throws. */
export async function typedCode(visit: Visit, form: FormData): Promise<Caller> {
	const { env, url, address, now } = visit;
	const typed = form.get('code');
	try {
		return await admitTyped(accessSettings(env), typeof typed === 'string' ? typed : '', {
			...{ address, now },
		});
	} catch (error) {
		if (error instanceof JustLocked) await watchLockout(operationsOf(env, url));
		throw error;
	}
}
