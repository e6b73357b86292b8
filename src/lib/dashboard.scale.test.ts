import { env } from 'cloudflare:workers';
import { beforeAll, expect, test } from 'vitest';
import { ADDRESS, SECRET } from '../../tests/calls.ts';
import { counted } from '../../tests/counts.ts';
import { countedBindings } from '../../tests/counted-bindings.ts';
import { reset } from '../../tests/reset.ts';
import { store } from '../../tests/retained.ts';
import { lifeboat } from './index.ts';
import { backupKeys } from './server/backup/settings.ts';

// A bucket with many backups: what the dashboard's first page costs.

const FEW = 50;
const MANY = Math.max(2 * FEW, counted(5_000));
const ORIGIN = 'https://app.example';
const HOUR = 3_600_000;
const NOW = Date.now();
const [signer = null] = backupKeys({ TOTP_SECRET: SECRET });
const { dashboard } = lifeboat({
	authorize: async () => ({ account: '1', name: 'Ada', since: Date.now() }),
});

/** Backups from the newest one that is not there to this one, one every six hours. */
async function plant(from: number, to: number): Promise<void> {
	for (let start = from; start < to; start += FEW) {
		const indexes = Array.from({ length: Math.min(FEW, to - start) }, (_, index) => start + index);
		await Promise.all(
			indexes.map((index) => store(NOW - HOUR - index * 6 * HOUR, { signer, drilled: null })),
		);
	}
}

/** A Worker that has just been started, in which pages are loaded. */
function worker() {
	const { bindings, calls, reset } = countedBindings({ DB: env.DB, MY_BUCKET: env.MY_BUCKET });
	return async () => {
		reset();
		const url = new URL('/backups', ORIGIN);
		const work: Promise<unknown>[] = [];
		const context = { waitUntil: (promise: Promise<unknown>) => void work.push(promise) };
		const platform = { env: { ...bindings, TOTP_SECRET: SECRET }, context };
		const event = { request: new Request(url), url, platform, getClientAddress: () => ADDRESS };
		const startedAt = performance.now();
		const page = await dashboard.status(event);
		const milliseconds = Math.round(performance.now() - startedAt);
		const made = calls();
		await Promise.all(work);
		return { page, milliseconds, calls: made };
	};
}

/** The quickest of three loads, each in a Worker that has just been started. */
async function quickest() {
	const loads = [await worker()(), await worker()(), await worker()()];
	return loads.toSorted((a, b) => a.milliseconds - b.milliseconds)[0] ?? loads[0];
}

beforeAll(async () => {
	await reset();
	await plant(0, FEW);
}, 600_000);

test(
	'the first page reads no backup one by one, and lists all once a day',
	{ timeout: 600_000 },
	async () => {
		const few = await quickest();
		await plant(FEW, MANY);
		const first = worker();
		const many = [await first(), await first(), await quickest()] as const;
		const [whole, kept, part] = many;
		expect(many.map((load) => load?.page.shown?.holdings.backups)).toEqual([MANY, MANY, MANY]);
		expect(part?.page.shown?.backups).toHaveLength(20);
		const bytes = JSON.stringify(part?.page).length;
		expect(bytes).toBeLessThan(50_000);
		// A window of 200 backups takes a few lists more than those of a small bucket.
		expect(part?.calls).toBeLessThanOrEqual((few?.calls ?? 0) + 6);
		expect(kept?.calls).toBeLessThanOrEqual(few?.calls ?? 0);
		const words = (load: typeof few) => `${load?.milliseconds} ms with ${load?.calls} calls`;
		console.log(`${FEW} backups: ${words(few)}`);
		console.log(
			`${MANY} backups, ${bytes} bytes: ${words(whole)}; a minute long ${words(kept)}; for a day ${words(part)}`,
		);
	},
);
