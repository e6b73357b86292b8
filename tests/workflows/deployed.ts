import { TOTP } from '../../src/lib/totp.js';
import type { Accounts } from './account-state.ts';
import { type Answer, json, lines, page } from '../stand-in.ts';
import { SUMMARY } from './stepped-app.ts';

/** Stands in for the app at its address on Cloudflare: it answers once it is deployed. */
export class DeployedApp {
	readonly #accounts: () => Accounts;
	#backups: (typeof SUMMARY & { drilled: { proven: boolean } | null })[] = [];

	constructor(accounts: () => Accounts) {
		this.#accounts = accounts;
	}

	/** The drill of the newest backup, with its proof. */
	prove(): void {
		const [newest] = this.#backups;
		if (!newest) throw new Error('There is no backup.');
		newest.drilled = { proven: true };
	}

	readonly answer: Answer = (request, response, body) => {
		const { deployed } = this.#accounts();
		if (!deployed) return page(404, '<h1>Nothing is here yet</h1>')(request, response);
		void this.#admit(deployed, request.headers.authorization ?? '').then((isAdmitted) => {
			if (!isAdmitted) return json(401, refused('code_invalid'))(request, response);
			if (request.method === 'GET') return json(200, { backups: this.#backups })(request, response);
			if (!deployed['BACKUP_ORIGIN'])
				return json(403, refused('preview_refused'))(request, response);
			if (body !== '{"action":"backup"}')
				return json(400, refused('body_invalid'))(request, response);
			this.#backups.unshift({ ...SUMMARY, drilled: null });
			lines(200, { event: 'done', success: true, backup: SUMMARY })(request, response);
		});
	};

	async #admit({ TOTP_SECRET = '' }: Record<string, string>, header: string): Promise<boolean> {
		const code = header.replace(/^Bearer /, '');
		return TOTP_SECRET !== '' && (await new TOTP(TOTP_SECRET).verify(code, Date.now()));
	}
}

function refused(code: string): object {
	return { error: 'It refuses.', code, hint: 'Look at the secrets.' };
}
