// What the states of the components share.

/** The props of a component in each of its states, by what the state is called. */
export type States<Props> = Record<string, Props>;

export const NOW = '2026-11-27T10:02:00.000Z';
const DAY_MS = 86_400_000;

/** A time so many days before {@link NOW}. */
export function daysAgo(days: number): string {
	return new Date(Date.parse(NOW) - days * DAY_MS).toISOString();
}

export const RECIPIENTS = [
	'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p',
	'age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg',
];

/** Texts from anywhere that must not act, hide or push anything away. */
const HARMFUL = {
	markup: '<img src=x onerror="document.title=1"></script><script>document.title=1</script>"\'&lt;',
	'characters that mislead':
		'invoice\u202egpj.exe\u2066\u200b\u0000Z\u0300\u0301\u0302\u0303\u0304\u0305',
	'10,000 characters': 'W'.repeat(10_000),
};

/** What these characters look like, as a regular expression, if nobody made them harmless. */
export const MISLEADING = '[\\0\\u200b\\u202e\\u2066]|\\p{M}{5}';

/** A state for each kind of harmful text, with the text wherever one from elsewhere is shown. */
export function harmful<Props>(propsWith: (text: string) => Props): States<Props> {
	const states = Object.entries(HARMFUL).map(([kind, text]) => [kind, propsWith(text)]);
	return Object.fromEntries(states);
}

/** The address of what has this name. */
export function hrefOf(name: string): string {
	return `/backups/${encodeURIComponent(name)}`;
}
