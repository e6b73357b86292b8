import { Buffer } from 'node:buffer';
import type { R2Bucket, R2MultipartUpload } from '../platform.ts';
import type { Row, SqlDatabase } from './database.ts';

/** The database, with counts of what it was asked and what it has answered. */
export interface MeteredDatabase extends SqlDatabase {
	/** Statements that it was sent; repeated calls count again. */
	readonly sent: number;
	/** Calls that it was sent, each a batch of statements and a subrequest; repeated ones count again. */
	readonly calls: number;
	/** Bytes of text in its answers, as UTF-8. */
	readonly bytesRead: number;
	/** Rows that D1 counted as read. */
	readonly rowsRead: number;
}

/** The database with meters that start at 0. */
export function metered(database: SqlDatabase): MeteredDatabase {
	const used = { sent: 0, calls: 0, bytesRead: 0, rowsRead: 0 };
	const batch = async (statements: string[]) => {
		used.sent += statements.length;
		used.calls++;
		const answer = await database.batch(statements);
		for (const { results, meta } of answer.results) {
			used.rowsRead += meta.rows_read ?? 0;
			for (const row of results) used.bytesRead += textBytes(row);
		}
		return answer;
	};
	return {
		batch,
		get sent() {
			return used.sent;
		},
		get calls() {
			return used.calls;
		},
		get bytesRead() {
			return used.bytesRead;
		},
		get rowsRead() {
			return used.rowsRead;
		},
	};
}

function textBytes(row: Row): number {
	let bytes = 0;
	for (const value of Object.values(row)) {
		if (typeof value === 'string') bytes += Buffer.byteLength(value);
	}
	return bytes;
}

/** The bucket, whose calls count. */
export function countedBucket(bucket: R2Bucket, used: { calls: number }): R2Bucket {
	return counted(bucket, ({ name, result }) => {
		used.calls++;
		if (name !== 'createMultipartUpload') return result;
		const upload = result as Promise<R2MultipartUpload>;
		return upload.then((begun) => counted(begun, (call) => (used.calls++, call.result)));
	});
}

/** An object of the platform, of whose calls `see` learns; it may replace their results. */
function counted<T extends object>(
	object: T,
	see: (call: { name: string | symbol; result: unknown }) => unknown,
): T {
	return new Proxy(object, {
		get(target, name) {
			const value: unknown = Reflect.get(target, name, target);
			if (typeof value !== 'function') return value;
			return (...args: unknown[]) => see({ name, result: Reflect.apply(value, target, args) });
		},
	});
}
