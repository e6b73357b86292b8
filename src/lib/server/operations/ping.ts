import { createHash } from 'node:crypto';
import type { Message } from './send.ts';

/**
 * The ping of a healthchecks.io check (Healthchecks.io: Pinging API) when the backup of this name
 * starts, succeeds, or fails for a reason. All pings of one backup have the same run id; without a
 * name there is none.
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

/** A UUID derived from a name, of version 8, which is for custom formats (RFC 9562, section 5.8). */
function runId(name: string): string {
	const hex = createHash('sha256').update(name).digest('hex');
	const variant = '89ab'.charAt(Number.parseInt(hex.charAt(16), 16) % 4);
	const parts = [
		hex.slice(0, 8),
		hex.slice(8, 12),
		`8${hex.slice(13, 16)}`,
		`${variant}${hex.slice(17, 20)}`,
		hex.slice(20, 32),
	];
	return parts.join('-');
}
