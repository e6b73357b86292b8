import { createHash, createHmac } from 'node:crypto';
import { join } from 'node:path';

/** The folder in which wrangler keeps everything that it persists. */
export const folderOf = (persistTo: string) => join(persistTo, 'v3');

/**
 * Where the embedded D1 keeps a database: it is a Durable Object, whose file carries the id that
 * workerd derives from its name (workerd, actor-id-impl.c++).
 */
export function fileOf(persistTo: string, id: string): string {
	const namespace = 'miniflare-D1DatabaseObject';
	const key = createHash('sha256').update(namespace).digest();
	const hmac = (data: string | Buffer) =>
		createHmac('sha256', key).update(data).digest().subarray(0, 16);
	const name = hmac(id);
	const object = Buffer.concat([name, hmac(name)]).toString('hex');
	return join(folderOf(persistTo), 'd1', namespace, `${object}.sqlite`);
}
