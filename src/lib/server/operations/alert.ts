import type { Message } from './send.ts';

/** Characters that Discord takes (Discord: Execute Webhook). */
const DISCORD_MAX = 2000;

/** What there is an alert for. */
export type AlertKind =
	| 'backup_failed'
	| 'backup_unstable'
	| 'backup_overdue'
	| 'backup_recovered'
	| 'backup_size'
	| 'drill_failed'
	| 'access_locked';

/** Something that an operator is to know now. */
export interface Alert {
	kind: AlertKind;
	/** Sentences for people, without a secret and without a row. */
	text: string;
	/** Name of the backup that it is about. */
	backup?: string;
	/** Code of the error. */
	code?: string;
}

/**
 * The message of an alert for a webhook: as Slack and Discord want it, by the host, and as JSON with all
 * that is known for everybody else.
 */
export function alertMessage(webhook: URL, app: string, time: string, alert: Alert): Message {
	const text = `${app}: ${alert.text}`;
	return { url: webhook, contentType: 'application/json', body: JSON.stringify(body()) };

	function body(): object {
		if (webhook.hostname === 'hooks.slack.com') return { text: escaped(text) };
		if (/(^|\.)discord(app)?\.com$/.test(webhook.hostname)) {
			const content = text.length > DISCORD_MAX ? `${text.slice(0, DISCORD_MAX - 1)}…` : text;
			return { content, allowed_mentions: { parse: [] } };
		}
		return { ...alert, text, app, time };
	}
}

/** The three characters that mean something to Slack (Slack: Formatting message text). */
function escaped(text: string): string {
	return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
