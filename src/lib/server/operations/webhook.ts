import type { Alert } from './alerts.ts';
import type { Message } from './send.ts';

/** Characters of a message that Discord accepts (Discord: Execute Webhook). */
const DISCORD_MAX = 2000;
/** Discord's own form of a webhook's path; with `/slack` after it, Discord accepts Slack's JSON. */
const DISCORD_PATH = /^\/api\/(v\d+\/)?webhooks\/[^/]+\/[^/]+\/?$/;

/**
 * The message of an alert for a webhook: in the form that Slack or Discord expects, by its host, and
 * for any other receiver JSON with all details.
 */
export function alertMessage(webhook: URL, app: string, time: string, alert: Alert): Message {
	const { database } = alert;
	const where = database === undefined ? app : `${app}, database ${database}`;
	const text = `${where}: ${alert.text}`;
	let body: object = { ...alert, text, app, time };
	if (webhook.hostname === 'hooks.slack.com') body = { text: escaped(text) };
	if (isDiscord(webhook)) body = { content: cut(text), allowed_mentions: { parse: [] } };
	return { url: webhook, contentType: 'application/json', body: JSON.stringify(body) };
}

/** Escapes the three characters that are special to Slack (Slack: Formatting message text). */
function escaped(text: string): string {
	return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function isDiscord({ hostname, pathname }: URL): boolean {
	return /(^|\.)discord(app)?\.com$/.test(hostname) && DISCORD_PATH.test(pathname);
}

/** Shortens a text, never between the halves of a surrogate pair. */
function cut(text: string): string {
	if (text.length <= DISCORD_MAX) return text;
	return `${text.slice(0, DISCORD_MAX - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
