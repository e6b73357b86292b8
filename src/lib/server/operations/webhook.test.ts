import { expect, test } from 'vitest';
import type { Alert } from './alerts.ts';
import { alertMessage } from './webhook.ts';

const TIME = '2026-11-25T00:00:00.000Z';
const ALERT: Alert = {
	kind: 'backup_failed',
	code: 'x',
	text: 'It failed: a < b & <!channel> @everyone.',
};
const bodyFor = (url: string, alert = ALERT): Record<string, unknown> =>
	JSON.parse(alertMessage(new URL(url), 'https://app.example', TIME, alert).body);

test('Slack gets a text that mentions nobody', () => {
	expect(bodyFor('https://hooks.slack.com/services/T/B/x')).toEqual({
		text: 'https://app.example: It failed: a &lt; b &amp; &lt;!channel&gt; @everyone.',
	});
});

test.for([
	'https://discord.com/api/webhooks/1/x',
	'https://ptb.discord.com/api/webhooks/1/x',
	'https://discordapp.com/api/v10/webhooks/1/x/?wait=true',
])('Discord at %s gets a text within its limit that mentions nobody', (url) => {
	expect(bodyFor(url)).toEqual({
		content: `https://app.example: ${ALERT.text}`,
		allowed_mentions: { parse: [] },
	});
	const { content } = bodyFor(url, { ...ALERT, text: 'x'.repeat(5000) });
	expect(content).toHaveLength(2000);
});

test.for([
	'https://example.com/discord.com',
	'https://discord.com/api/webhooks/1/x/slack',
	'https://notdiscord.com/api/webhooks/1/x',
	'https://hooks.slack.com.example/',
])('%s gets all the details', (url) => {
	expect(bodyFor(url)).toEqual({
		...{ kind: 'backup_failed', code: 'x', text: `https://app.example: ${ALERT.text}` },
		...{ app: 'https://app.example', time: TIME },
	});
});
