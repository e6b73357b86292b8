import { address } from '../../lib/server/environment.ts';
import { messageOf } from '../../lib/server/errors.ts';
import { usageError } from '../terminal/arguments.ts';
import type { Ask } from '../terminal/ask.ts';
import { describe } from '../terminal/errors.ts';
import { printAside } from '../terminal/print.ts';
import { completeWith, type CompletedEnv, parseEnv } from './dotenv.ts';

/** A setting that only the person knows. */
interface Question {
	name: string;
	/** The option of `npm run setup` that answers it. */
	option: 'origin' | 'admins' | 'webhook' | 'monitor';
	text: string;
	/** The value as `.env` gets it. Throws a LifeboatError for one that the app would refuse. */
	read(value: string): string;
}

const QUESTIONS: Question[] = [
	{
		name: 'BACKUP_ORIGIN',
		option: 'origin',
		text: "The app's address, such as https://lifeboat.pages.dev; several with spaces between them",
		read: (value) => words(value, readOrigin),
	},
	{
		name: 'BACKUP_ADMINS',
		option: 'admins',
		text: 'The numbers of the GitHub accounts of its administrators (gh api user --jq .id)',
		read: (value) => words(value, readAccount),
	},
	{
		name: 'ALERT_WEBHOOK_URL',
		option: 'webhook',
		text: 'Where alerts go: a webhook of Slack or Discord, or your own',
		read: (value) => address({ ALERT_WEBHOOK_URL: value }, 'ALERT_WEBHOOK_URL')?.href ?? '',
	},
	{
		name: 'HEALTHCHECK_PING_URL',
		option: 'monitor',
		text: 'A monitor that notices missing backups: the ping URL of a check at healthchecks.io',
		read: (value) => address({ HEALTHCHECK_PING_URL: value }, 'HEALTHCHECK_PING_URL')?.href ?? '',
	},
];

/** The command line's answers, by option. */
export type Answers = { [option in Question['option']]?: string | undefined };

/**
 * A completed `.env` text with the answers of a command line. Throws `usage` (400) for an answer that
 * is not valid, and for one that differs from the value that `.env` has already.
 */
export function withAnswers(env: CompletedEnv, answers: Answers): CompletedEnv {
	return QUESTIONS.reduce((completed, { name, option, read }) => {
		const answer = answers[option]?.trim() ?? '';
		if (answer === '') return completed;
		const value = checked(answer, read, option);
		const now = parseEnv(completed.text)[name]?.trim() ?? '';
		if (now !== '' && now !== value) {
			throw usageError('setup', `${name} in .env has another value: change it there.`);
		}
		return completeWith(completed, name, value);
	}, env);
}

/** Asks for each of these settings that has no value yet. Enter skips one. */
export async function withAsked(
	env: CompletedEnv,
	names: readonly string[],
	ask: Ask,
): Promise<CompletedEnv> {
	let completed = env;
	for (const question of QUESTIONS) {
		const isAnswered = parseEnv(completed.text)[question.name]?.trim();
		if (isAnswered || !names.includes(question.name)) continue;
		const value = await answerTo(question, ask);
		if (value !== '') completed = completeWith(completed, question.name, value);
	}
	return completed;
}

async function answerTo({ text, read }: Question, ask: Ask): Promise<string> {
	for (;;) {
		const answer = await ask(`${text}\n(Enter: none) `);
		try {
			return answer === '' ? '' : read(answer);
		} catch (error) {
			printAside(describe(error).split('\n'));
		}
	}
}

function checked(answer: string, read: Question['read'], option: string): string {
	try {
		return read(answer);
	} catch (error) {
		throw usageError('setup', `--${option}: ${messageOf(error)}`);
	}
}

function words(value: string, read: (word: string) => string): string {
	return value
		.trim()
		.split(/[\s,]+/)
		.map(read)
		.join(' ');
}

/** As a browser writes it. On this machine the app needs no permission: loopback is always allowed. */
function readOrigin(word: string): string {
	const url = URL.canParse(word) ? new URL(word) : null;
	if (url?.protocol === 'https:' && url.href === `${url.origin}/`) return url.origin;
	throw usageError('setup', `${word} is not an https origin, such as https://app.example.com.`);
}

function readAccount(word: string): string {
	if (/^[1-9]\d*$/.test(word)) return word;
	throw usageError('setup', `${word} is not the number of a GitHub account.`);
}
