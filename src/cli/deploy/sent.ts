import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseObject } from '../client/json.ts';
import type { Values } from '../secrets/places.ts';
import { writeSecretFile } from '../secrets/secret-file.ts';

/** Beside what wrangler keeps of this folder. */
const FILE = '.wrangler/lifeboat.json';

type Place = 'cloudflare' | 'github';

/**
 * What this machine has sent: a digest of each value by its name, because no place shows the values of its
 * secrets. A name that is missing here was set by somebody else, or not at all.
 */
interface Sent {
	cloudflare?: Values;
	github?: Values;
	/** The digest of `cloudflare` at the last deployment: Pages gives secrets to a deployment. */
	deployed?: string;
}

/**
 * What a place still lacks of these values: those that it has no name for, and those that have changed since
 * this machine sent them. What somebody else has set there is never replaced.
 */
export function unsent(place: Place, values: Values, there: readonly string[]): Values {
	const sent = read()[place] ?? {};
	const isMissing = ([name, value]: [string, string]) => {
		return !there.includes(name) || (sent[name] ?? digest(value)) !== digest(value);
	};
	return Object.fromEntries(Object.entries(values).filter(isMissing));
}

/** Remembers what was sent just now. */
export function rememberSent(place: Place, values: Values): void {
	const digests = Object.entries(values).map(([name, value]) => [name, digest(value)] as const);
	const sent = read();
	write({ ...sent, [place]: { ...sent[place], ...Object.fromEntries(digests) } });
}

/** Whether a deployment has what was sent last. */
export function isDeployed(): boolean {
	const { cloudflare, deployed } = read();
	return cloudflare === undefined || digest(JSON.stringify(cloudflare)) === deployed;
}

/** Remembers that the app was deployed just now. */
export function rememberDeployed(): void {
	const { cloudflare, ...sent } = read();
	if (cloudflare === undefined) return;
	write({ ...sent, cloudflare, deployed: digest(JSON.stringify(cloudflare)) });
}

function read(): Sent {
	return existsSync(FILE) ? parseObject(readFileSync(FILE, 'utf8')) : {};
}

function write(sent: Sent): void {
	mkdirSync(dirname(FILE), { recursive: true });
	writeSecretFile(FILE, `${JSON.stringify(sent)}\n`);
}

function digest(text: string): string {
	return createHash('sha256').update(text).digest('hex');
}
