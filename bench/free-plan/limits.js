/**
 * What the free plan gives: D1 queries and subrequests of one call (D1 > Platform > Limits; Workers >
 * Platform > Limits), and rows of a day (D1 > Platform > Pricing).
 */
const MOST = { queries: 50, subrequests: 50, rowsRead: 5_000_000, rowsWritten: 100_000 };

/** What D1 says since 2026-09-01 (D1 > Release notes). */
const QUOTA = { rowsRead: 'read', rowsWritten: 'write' };

/** @typedef {{ queries: number, subrequests: number, rowsRead: number, rowsWritten: number }} Usage */

/** @returns {Usage} */
export function nothing() {
	return { queries: 0, subrequests: 0, rowsRead: 0, rowsWritten: 0 };
}

/**
 * The bindings as the free plan gives them. They count what `call` uses, and add its rows to `day`.
 *
 * @template {{ DB: D1Database, MY_BUCKET: R2Bucket }} Env
 * @param {Env} env
 * @param {Usage} call
 * @param {Usage} day
 * @returns {Env}
 */
export function limited(env, call, day) {
	const spend = () => spendOn(call);
	return {
		...env,
		DB: database(env.DB, spend, [call, day]),
		MY_BUCKET: bucket(env.MY_BUCKET, spend),
	};
}

/**
 * Counts a subrequest. Throws, as the runtime does, if the call may make no more.
 *
 * @param {Usage} call
 */
export function spendOn(call) {
	if (++call.subrequests > MOST.subrequests) throw new Error('Too many subrequests.');
}

/**
 * @param {D1Database} target
 * @param {() => void} spend
 * @param {[call: Usage, day: Usage]} usages
 */
function database(target, spend, usages) {
	const [call, day] = usages;
	const wrapped = {
		/** @param {string} constraint */
		withSession(constraint) {
			const session = target.withSession(constraint);
			return {
				prepare: (/** @type {string} */ sql) => session.prepare(sql),
				getBookmark: () => session.getBookmark(),
				batch: async (/** @type {D1PreparedStatement[]} */ statements) => {
					spend();
					call.queries += statements.length;
					if (call.queries > MOST.queries) throw new Error('D1_ERROR: too many queries.');
					for (const [name, word] of Object.entries(QUOTA)) {
						const rows = day[/** @type {keyof typeof QUOTA} */ (name)];
						if (rows <= MOST[/** @type {keyof typeof QUOTA} */ (name)]) continue;
						throw new Error(
							`D1_ERROR: Your account has exceeded D1's free tier daily row ${word} limit`,
						);
					}
					const results = await session.batch(statements);
					for (const { meta } of results) {
						for (const usage of usages) {
							usage.rowsRead += meta.rows_read;
							usage.rowsWritten += meta.rows_written;
						}
					}
					return results;
				},
			};
		},
	};
	// The API calls nothing else.
	return /** @type {D1Database} */ (/** @type {unknown} */ (wrapped));
}

/**
 * A bucket, or an upload into it, each of whose calls is a subrequest.
 *
 * @template {object} T
 * @param {T} target
 * @param {() => void} spend
 * @returns {T}
 */
function bucket(target, spend) {
	return new Proxy(target, {
		get(_, property) {
			const value = Reflect.get(target, property);
			if (typeof value !== 'function') return value;
			return async (/** @type {unknown[]} */ ...args) => {
				spend();
				const result = await value.apply(target, args);
				return property === 'createMultipartUpload' ? bucket(result, spend) : result;
			};
		},
	});
}
