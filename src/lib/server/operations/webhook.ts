import type { Message } from './send.ts';

/** Characters that Discord takes (Discord: Execute Webhook). */
const DISCORD_MAX = 2000;
/** The address of a webhook as Discord gives it out; with `/slack` behind it, it takes Slack's JSON. */
const DISCORD_PATH = /^\/api\/(v\d+\/)?webhooks\/[^/]+\/[^/]+\/?$/;

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
		if (isDiscord(webhook)) return { content: cut(text), allowed_mentions: { parse: [] } };
		return { ...alert, text, app, time };
	}
}

/** The three characters that mean something to Slack (Slack: Formatting message text). */
function escaped(text: string): string {
	return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function isDiscord({ hostname, pathname }: URL): boolean {
	return /(^|\.)discord(app)?\.com$/.test(hostname) && DISCORD_PATH.test(pathname);
}

/** Never inside a character. */
function cut(text: string): string {
	if (text.length <= DISCORD_MAX) return text;
	return `${text.slice(0, DISCORD_MAX - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
