// Records what a drill found with the app, for .github/workflows/restore-drill.yml. PROOF is what
// ./drill-report.ts left, in a job that cannot call the app; BACKUP is the name of the backup, DATABASE that of its database. This job
// installs nothing: nothing here may import a package.
import type { OutsideProof } from '../../lib/server/backup/format/proof.ts';
import { BackupApi } from '../client/api.ts';
import { callerSettings } from '../client/credentials.ts';
import { parseObject } from '../client/json.ts';
import { readSetting } from '../secrets/dotenv.ts';
import { annotate } from '../terminal/annotate.ts';
import { print } from '../terminal/print.ts';
import { sentencesOf } from './drill-summary.ts';

/** GitHub ends the job after ten minutes. */
const TIME_LIMIT_MS = 8 * 60_000;

try {
	const { BACKUP: backup = '', DATABASE, PROOF: proof = '' } = process.env;
	const signal = AbortSignal.timeout(TIME_LIMIT_MS);
	const api = new BackupApi(
		readSetting('BACKUP_URL'),
		callerSettings(),
		signal,
		DATABASE || undefined,
	);
	await api.record(backup, parseObject(proof) as unknown as OutsideProof); // the app checks it
	print([`Recorded with ${backup}.`]);
} catch (error) {
	annotate('error', 'Proof not recorded', sentencesOf(error));
	process.exitCode = 1;
}
