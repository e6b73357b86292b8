import { usageError } from '../terminal/arguments.ts';
import type { Destination } from './destination.ts';
import { FolderDestination } from './folder.ts';
import { openS3 } from './s3.ts';

/**
 * The destination that a word on the command line names: a folder, or `s3://BUCKET/PREFIX` at this
 * endpoint. Throws `usage` and `s3_key_missing` (400).
 */
export function openDestination(
	to: string,
	endpoint: string | undefined,
	signal: AbortSignal,
): Destination {
	if (/^s3:/i.test(to)) return openS3(to, endpoint, signal);
	if (endpoint !== undefined) throw usageError('copy', '--endpoint is for s3://BUCKET only.');
	if (/^\w+:\/\//.test(to)) throw usageError('copy', '--to takes a folder or s3://BUCKET/PREFIX.');
	return new FolderDestination(to, signal);
}
