import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { freePort } from '../../src/cli/embedded/server.ts';

/** An account at the stand-in. */
export interface Account {
	id: number;
	login: string;
	name: string | null;
	email: string;
	avatar: string;
}

/** The OAuth app as registered at GitHub. */
export interface OAuthApp {
	clientId: string;
	clientSecret: string;
	callback: string;
}

interface Grant {
	redirectUri: string;
	challenge: string;
	account: Account;
}

type Route = (query: URLSearchParams, call: Call) => Answer | Promise<Answer>;

/**
 * A stand-in for a GitHub Enterprise server: the OAuth web flow with PKCE, and the two API calls that
 * Auth.js makes after it. It refuses what GitHub refuses.
 * https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
 */
export class GitHub {
	/** The value for GITHUB_ENTERPRISE_URL. */
	readonly url: string;
	/** The account that the browser is signed in to at GitHub. */
	account: Account;
	/** Every access token that was issued. */
	readonly tokens: string[] = [];
	readonly #app: OAuthApp;
	readonly #server = createServer((request, response) => void this.#serve(request, response));
	/** The ids of accounts that have authorized the app. */
	readonly #authorized = new Set<number>();
	readonly #codes = new Map<string, Grant>();
	readonly #holders = new Map<string, Account>();
	readonly #routes: Record<string, Route> = {
		'GET /login/oauth/authorize': (query) => this.#askForConsent(query),
		'POST /login/oauth/authorize': (_, call) => this.#takeConsent(call),
		'POST /login/oauth/access_token': (_, call) => this.#exchangeCode(call),
		'GET /api/v3/user': (_, call) => this.#user(call),
		'GET /api/v3/user/emails': (_, call) => this.#emails(call),
	};

	private constructor(app: OAuthApp, account: Account, port: number) {
		this.#app = app;
		this.account = account;
		this.url = `http://127.0.0.1:${port}`;
	}

	/** Starts a stand-in that knows one app. */
	static async start(app: OAuthApp, account: Account): Promise<GitHub> {
		const port = await freePort();
		const github = new GitHub(app, account, port);
		await once(github.#server.listen(port, '127.0.0.1'), 'listening');
		return github;
	}

	async stop(): Promise<void> {
		this.#server.closeAllConnections();
		this.#server.close();
		await once(this.#server, 'close');
	}

	async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const url = new URL(request.url ?? '/', this.url);
		const route = this.#routes[`${request.method} ${url.pathname}`];
		const call = { headers: request.headers, body: () => text(request) };
		const answer = await route?.(url.searchParams, call);
		send(response, answer ?? { status: 404, html: 'Not found' });
	}

	#askForConsent(query: URLSearchParams): Answer {
		const problem = authorizeProblem(query, this.#app);
		if (problem) return { status: 404, html: problem };
		if (this.#authorized.has(this.account.id)) return this.#grant(query);
		return { html: consentPage(query) };
	}

	async #takeConsent({ body }: Call): Promise<Answer> {
		const query = new URLSearchParams(await body());
		const problem = authorizeProblem(query, this.#app);
		if (problem) return { status: 404, html: problem };
		return query.has('cancel') ? back(query, { error: 'access_denied' }) : this.#grant(query);
	}

	async #exchangeCode({ body, headers }: Call): Promise<Answer> {
		const form = new URLSearchParams(await body());
		const code = form.get('code') ?? '';
		const granted = this.#codes.get(code);
		this.#codes.delete(code); // valid once
		const error = tokenProblem(form, headers.authorization, this.#app, granted);
		if (error || !granted) return { json: { error } }; // GitHub answers errors with status 200
		const token = `gho_${randomUUID()}`;
		this.#holders.set(token, granted.account);
		this.tokens.push(token);
		return { json: { access_token: token, scope: 'read:user,user:email', token_type: 'bearer' } };
	}

	#user({ headers }: Call): Answer {
		const { id, login, name, avatar } = this.#caller(headers) ?? {};
		if (!id) return { status: 401, json: { message: 'Bad credentials' } };
		return { json: { id, login, name, email: null, avatar_url: avatar } };
	}

	#emails({ headers }: Call): Answer {
		const email = this.#caller(headers)?.email;
		if (!email) return { status: 401, json: { message: 'Bad credentials' } };
		const spare = { email: 'spare@example.com', primary: false, verified: true };
		return { json: [spare, { email, primary: true, verified: true }] };
	}

	#grant(query: URLSearchParams): Answer {
		const code = randomUUID();
		this.#authorized.add(this.account.id);
		this.#codes.set(code, {
			redirectUri: query.get('redirect_uri') ?? '',
			challenge: query.get('code_challenge') ?? '',
			account: this.account,
		});
		return back(query, { code });
	}

	#caller(headers: IncomingMessage['headers']): Account | undefined {
		if (!headers['user-agent']) return; // GitHub's API refuses calls without one
		return this.#holders.get(headers.authorization?.replace(/^Bearer /, '') ?? '');
	}
}

interface Call {
	headers: IncomingMessage['headers'];
	body(): Promise<string>;
}

interface Answer {
	status?: number;
	location?: string;
	html?: string;
	json?: unknown;
}

function send(response: ServerResponse, { status, location, html, json }: Answer): void {
	if (location) response.writeHead(302, { Location: location });
	else if (html) response.writeHead(status ?? 200, { 'Content-Type': 'text/html' });
	else response.writeHead(status ?? 200, { 'Content-Type': 'application/json' });
	response.end(html ?? (json === undefined ? undefined : JSON.stringify(json)));
}

function authorizeProblem(query: URLSearchParams, app: OAuthApp): string | undefined {
	if (query.get('client_id') !== app.clientId) return 'No such app.';
	if (query.get('redirect_uri') !== app.callback) return 'The redirect_uri is not associated.';
	if (!query.get('state')) return 'There is no state.';
	if (query.get('code_challenge_method') !== 'S256') return 'There is no S256 code challenge.';
	if (!query.get('code_challenge')) return 'There is no code challenge.';
}

function tokenProblem(
	form: URLSearchParams,
	authorization: string | undefined,
	app: OAuthApp,
	granted: Grant | undefined,
): string | undefined {
	const expected = `Basic ${btoa(`${app.clientId}:${app.clientSecret}`)}`;
	if (authorization !== expected) return 'incorrect_client_credentials';
	if (!granted) return 'bad_verification_code';
	if (form.get('redirect_uri') !== granted.redirectUri) return 'redirect_uri_mismatch';
	const verifier = form.get('code_verifier') ?? '';
	const challenge = createHash('sha256').update(verifier).digest('base64url');
	if (challenge !== granted.challenge) return 'bad_verification_code';
}

function back(query: URLSearchParams, parameters: Record<string, string>): Answer {
	const location = new URL(query.get('redirect_uri') ?? '');
	for (const [name, value] of Object.entries(parameters)) location.searchParams.set(name, value);
	location.searchParams.set('state', query.get('state') ?? '');
	return { location: location.href };
}

function consentPage(query: URLSearchParams): string {
	const fields = [...query].map(
		([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`,
	);
	return `<!doctype html><title>Authorize</title><form method="post" action="/login/oauth/authorize">
${fields.join('\n')}
<button>Authorize</button> <button name="cancel" value="1">Cancel</button></form>`;
}

function escape(value: string): string {
	return value.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
