import { type Alert, type AlertKind, alertMessage } from './webhook.ts';
import type { Operations } from './index.ts';
import { record } from './audit-log.ts';
import { pingMessage } from './ping.ts';
import { type Message, send, SEND_MS } from './send.ts';

/** Milliseconds that the word of the begin still has when the end is there. */
const BEGIN_GRACE_MS = 2000;

/** What the world outside is told of one call. Nothing of it throws, and all of it has an end. */
export class Notices {
	readonly #operations: Operations;
	readonly #alerts: Alert[] = [];
	/** Ends the word that a backup begins. */
	readonly #over = new AbortController();
	#begun: Promise<unknown> = Promise.resolve();
	#end: Message | undefined;

	constructor(operations: Operations) {
		this.#operations = operations;
	}

	/** Tells at once that the backup of this name begins; it does not wait for that. */
	begin(name: string): void {
		const { ping } = this.#operations.settings;
		if (!ping) return;
		const signal = AbortSignal.any([this.#over.signal, AbortSignal.timeout(SEND_MS)]);
		this.#begun = send(pingMessage(ping, 'start', name), signal);
	}

	/** How the backup has ended, for {@link sent}. */
	end(event: 'success' | 'fail', name: string, reason = ''): void {
		const { ping } = this.#operations.settings;
		if (ping) this.#end = pingMessage(ping, event, name, reason);
	}

	/** Something for {@link sent} to tell. */
	alert(...alerts: Alert[]): void {
		this.#alerts.push(...alerts);
	}

	/**
	 * Sends what there is to tell, and writes into the journal what was told, and what could not be.
	 * Returns the kinds of alert that their receiver has not taken.
	 */
	async sent(): Promise<AlertKind[]> {
		const signal = AbortSignal.timeout(SEND_MS);
		const timer = setTimeout(() => this.#over.abort(), BEGIN_GRACE_MS);
		await this.#begun; // first, or the check would take the end for the begin of another run
		clearTimeout(timer);
		const [missed] = await Promise.all([
			Promise.all(this.#alerts.map((alert) => this.#send(alert, signal))),
			this.#sendEnd(signal),
		]);
		return missed.flat();
	}

	async #sendEnd(signal: AbortSignal): Promise<void> {
		if (!this.#end || (await send(this.#end, signal))) return;
		await this.#record('ping', 'ping_failed');
	}

	/** Returns the kind of an alert that was not taken. */
	async #send(alert: Alert, signal: AbortSignal): Promise<AlertKind[]> {
		const { settings, app, now } = this.#operations;
		const operation = `alert ${alert.kind}`;
		if (!settings.webhook) {
			await this.#record(operation, 'alert_nowhere');
			return [];
		}
		const time = new Date(now()).toISOString();
		const sent = await send(alertMessage(settings.webhook, app, time, alert), signal);
		await this.#record(operation, sent ? undefined : 'alert_failed');
		return sent ? [] : [alert.kind];
	}

	/** Without a code: it was done. */
	#record(operation: string, code?: string): Promise<void> {
		const { auditLog, now } = this.#operations;
		return record(auditLog, {
			...{ time: new Date(now()).toISOString(), operation },
			...(code === undefined ? { outcome: 'done' } : { outcome: 'failed', code }),
			caller: { kind: 'app', address: '' },
		});
	}
}
