import { expect, test } from 'vitest';
import { LifeboatError } from '../../lib/server/errors.ts';
import { type Answer, makeBackup } from './make-backup.ts';

test('a step of a backup that is given up is not repeated', async () => {
	const progress = { name: 'full_backup', step: 1, tables: 0, rows: 0, sqlBytes: 0 };
	const answers: Answer[] = [{ resume: 'ticket', progress }];
	const call = async (): Promise<Answer> => {
		const answer = answers.shift();
		if (answer) return answer;
		throw new LifeboatError('Somebody kept writing.', {
			...{ code: 'snapshot_unstable', status: 409, hint: 'Try again.' },
			...{ retryable: true, retryAfter: 60 },
		});
	};
	const { signal } = new AbortController();
	await expect(makeBackup(call, signal)).rejects.toMatchObject({ code: 'snapshot_unstable' });
});
