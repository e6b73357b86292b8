import type { Alert, AlertKind } from './alerts.ts';
import { record } from './audit-log.ts';
import type { Operations } from './index.ts';
import { pingMessage } from './ping.ts';
import { type Message, send, SEND_MS } from './send.ts';
import { alertMessage } from './webhook.ts';

/** Milliseconds that the start ping still has once the backup has ended. */
const START_GRACE_MS = 2000;

/** The pings and alerts of one call. Nothing here throws, and everything has a time limit. */
export class Notifications {
	readonly #operations: Operations;
	readonly #alerts: Alert[] = [];
	/** Aborts the start ping. */
	readonly #startTimeout = new AbortController();
	#started: Promise<unknown> = Promise.resolve();
	#end: Message | undefined;

	constructor(operations: Operations) {
		this.#operations = operations;
	}

	/**
	 * Pings that the backup of this name starts, without waiting for the answer. Not that of one database
	 * of several: a monitor would take it for the backup of all.
	 */
	start(name: string): void {
		const { isOneOfSeveral, settings } = this.#operations;
		const { ping } = settings;
		if (!ping || isOneOfSeveral) return;
		const signal = AbortSignal.any([this.#startTimeout.signal, AbortSignal.timeout(SEND_MS)]);
		this.#started = send(pingMessage(ping, 'start', name), signal);
	}

	/**
	 * How the backup has ended, to be sent by {@link sendAll}; of one database of several, only that it
	 * has failed.
	 */
	end(event: 'success' | 'fail', name: string, reason = ''): void {
		const { isOneOfSeveral, name: database, settings } = this.#operations;
		if (!settings.ping || (isOneOfSeveral && event === 'success')) return;
		const text = isOneOfSeveral ? `${database}: ${reason}` : reason;
		this.#end = pingMessage(settings.ping, event, name, text);
	}

	/** Alerts to be sent by {@link sendAll}. */
	alert(...alerts: Alert[]): void {
		this.#alerts.push(...alerts);
	}

	/**
	 * Sends everything, and records in the audit log what was sent and what failed. Returns the kinds of
	 * alerts that their receiver has not accepted.
	 */
	async sendAll(): Promise<AlertKind[]> {
		const signal = AbortSignal.timeout(SEND_MS);
		const timer = setTimeout(() => this.#startTimeout.abort(), START_GRACE_MS);
		await this.#started; // or the end ping might arrive first and seem to end another run
		clearTimeout(timer);
		const [missed] = await Promise.all([
			Promise.all(this.#alerts.map((alert) => this.#sendAlert(alert, signal))),
			this.#sendEnd(signal),
		]);
		return missed.flat();
	}

	async #sendEnd(signal: AbortSignal): Promise<void> {
		if (!this.#end || (await send(this.#end, signal))) return;
		await this.#record('ping', 'ping_failed');
	}

	/** Returns the kind of the alert if it was not accepted. */
	async #sendAlert(alert: Alert, signal: AbortSignal): Promise<AlertKind[]> {
		const { settings, app, now, isOneOfSeveral, name: database } = this.#operations;
		const operation = `alert ${alert.kind}`;
		if (!settings.webhook) {
			await this.#record(operation, 'alert_nowhere');
			return [];
		}
		const time = new Date(now()).toISOString();
		const named = isOneOfSeveral ? { ...alert, database } : alert;
		const message = alertMessage(settings.webhook, app, time, named);
		const isSent = await send(message, signal);
		await this.#record(operation, isSent ? undefined : 'alert_failed');
		return isSent ? [] : [alert.kind];
	}

	/** Records an operation of the app: failed with a code, or done without one. */
	#record(operation: string, code?: string): Promise<void> {
		const { auditLog, now, isOneOfSeveral, name: database } = this.#operations;
		return record(auditLog, {
			time: new Date(now()).toISOString(),
			operation,
			...(isOneOfSeveral && { database }),
			...(code === undefined ? { outcome: 'done' } : { outcome: 'failed', code }),
			caller: { kind: 'app', address: '' },
		});
	}
}
