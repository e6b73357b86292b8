import { createHash } from 'node:crypto';
import type { Message } from './send.ts';

/**
 * The message for a check of healthchecks.io (Healthchecks.io: Pinging API) that the backup of this name
 * begins, has succeeded, or has failed for this reason. All of one backup have its run id; without a name
 * there is none.
 */
export function pingMessage(
	check: URL,
	event: 'start' | 'success' | 'fail',
	name: string,
	reason = '',
): Message {
	const url = new URL(check);
	if (event !== 'success') url.pathname = `${url.pathname.replace(/\/$/, '')}/${event}`;
	if (name) url.searchParams.set('rid', runId(name));
	return { url, body: reason, contentType: 'text/plain' };
}

/** A UUID of a name, of the kind that anybody may define (RFC 9562, section 5.8). */
function runId(name: string): string {
	const hex = createHash('sha256').update(name).digest('hex');
	const variant = '89ab'.charAt(Number.parseInt(hex.charAt(16), 16) % 4);
	return [
		...[hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`],
		...[`${variant}${hex.slice(17, 20)}`, hex.slice(20, 32)],
	].join('-');
}
