import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { freePort } from '../../src/cli/embedded/server.ts';

/** Somebody with an account at the stand-in. */
export interface Account {
	id: number;
	login: string;
	name: string | null;
	email: string;
	avatar: string;
}

/** The OAuth app as it would be registered at GitHub. */
export interface OAuthApp {
	clientId: string;
	clientSecret: string;
	callback: string;
}

export interface GitHub {
	/** What GITHUB_ENTERPRISE_URL has to be. */
	url: string;
	/** Who sits in front of the browser, signed in at GitHub. */
	account: Account;
	/** Every access token that was handed out. */
	tokens: string[];
	stop(): Promise<void>;
}

interface Grant {
	redirectUri: string;
	challenge: string;
	account: Account;
}

/**
 * Starts a stand-in for a GitHub Enterprise server: the OAuth web flow with PKCE, and the two API
 * calls that Auth.js makes after it. It refuses what GitHub refuses.
 * https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
 */
export async function startGitHub(app: OAuthApp, account: Account): Promise<GitHub> {
	const port = await freePort();
	const github: GitHub = { url: `http://127.0.0.1:${port}`, account, tokens: [], stop };
	const authorized = new Set<number>();
	const codes = new Map<string, Grant>();
	const tokens = new Map<string, Account>();

	const routes: Record<string, (query: URLSearchParams, call: Call) => Answer | Promise<Answer>> = {
		'GET /login/oauth/authorize': (query) => {
			const problem = authorizeProblem(query, app);
			if (problem) return { status: 404, html: problem };
			return authorized.has(github.account.id) ? grant(query) : { html: consentPage(query) };
		},
		'POST /login/oauth/authorize': async (_, { body }) => {
			const query = new URLSearchParams(await body());
			const problem = authorizeProblem(query, app);
			if (problem) return { status: 404, html: problem };
			return query.has('cancel') ? back(query, { error: 'access_denied' }) : grant(query);
		},
		'POST /login/oauth/access_token': async (_, { body, headers }) => {
			const form = new URLSearchParams(await body());
			const code = form.get('code') ?? '';
			const granted = codes.get(code);
			codes.delete(code); // good for one use
			const error = tokenProblem(form, headers.authorization, app, granted);
			if (error || !granted) return { json: { error } }; // GitHub says so with status 200
			const token = `gho_${randomUUID()}`;
			tokens.set(token, granted.account);
			github.tokens.push(token);
			return { json: { access_token: token, scope: 'read:user,user:email', token_type: 'bearer' } };
		},
		'GET /api/v3/user': (_, { headers }) => {
			const { id, login, name, avatar } = caller(headers) ?? {};
			if (!id) return { status: 401, json: { message: 'Bad credentials' } };
			return { json: { id, login, name, email: null, avatar_url: avatar } };
		},
		'GET /api/v3/user/emails': (_, { headers }) => {
			const email = caller(headers)?.email;
			if (!email) return { status: 401, json: { message: 'Bad credentials' } };
			return {
				json: [
					{ email: 'spare@example.com', primary: false, verified: true },
					{ email, primary: true, verified: true },
				],
			};
		},
	};

	function grant(query: URLSearchParams): Answer {
		const code = randomUUID();
		authorized.add(github.account.id);
		codes.set(code, {
			redirectUri: query.get('redirect_uri') ?? '',
			challenge: query.get('code_challenge') ?? '',
			account: github.account,
		});
		return back(query, { code });
	}

	function caller(headers: IncomingMessage['headers']): Account | undefined {
		if (!headers['user-agent']) return; // GitHub's API refuses calls without one
		return tokens.get(headers.authorization?.replace(/^Bearer /, '') ?? '');
	}

	async function stop(): Promise<void> {
		server.closeAllConnections();
		server.close();
		await once(server, 'close');
	}

	const server = createServer(async (request, response) => {
		const url = new URL(request.url ?? '/', github.url);
		const route = routes[`${request.method} ${url.pathname}`];
		const call = { headers: request.headers, body: () => text(request) };
		send(
			response,
			route ? await route(url.searchParams, call) : { status: 404, html: 'Not found' },
		);
	});
	server.listen(port, '127.0.0.1');
	await once(server, 'listening');
	return github;
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
