import { countingBucket } from '../counting-bucket.js';

/**
 * The baseline: a backup as tutorials for D1 and R2 write it. Every value becomes text, and one put
 * stores the whole database as one string, or drops it if BUCKET is `counting`. Responds with the
 * cost.
 */
export default {
	/**
	 * @param {Request} request
	 * @param {import('../../../src/lib/server/environment.ts').Environment & { BUCKET?: string }} env
	 */
	async fetch(request, { DB, MY_BUCKET, BUCKET }) {
		const bucket = BUCKET === 'counting' ? countingBucket() : MY_BUCKET;
		if (request.method !== 'POST' || !DB || !bucket) return new Response('ready');
		const tables = await DB.prepare(
			`SELECT name, sql FROM sqlite_master
			WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%'`,
		).all();
		let queries = 1;
		let rowsRead = tables.meta.rows_read;
		let dump = '';
		for (const { name, sql } of tables.results) {
			dump += `DROP TABLE IF EXISTS ${name};\n${sql};\n`;
			const rows = await DB.prepare(`SELECT * FROM ${name}`).all();
			queries++;
			rowsRead += rows.meta.rows_read;
			for (const row of rows.results) {
				const columns = Object.keys(row).join(', ');
				const values = Object.values(row).map((value) => `'${String(value).replace(/'/g, "''")}'`);
				dump += `INSERT INTO ${name} (${columns}) VALUES (${values.join(', ')});\n`;
			}
		}
		const object = await bucket.put('backup.sql', dump);
		return Response.json({ storedBytes: object?.size, queries, rowsRead });
	},
};
