import type { ListedBackup } from '../../lib/server/backup/format/manifest.ts';
import { backupOfFile } from '../../lib/server/backup/format/names.ts';
import { proofKey } from '../../lib/server/backup/format/proof.ts';
import { type BackupKey, openProof } from '../../lib/server/backup/format/signature.ts';
import { LifeboatError } from '../../lib/server/errors.ts';
import { verificationKeys } from '../secrets/keys.ts';
import { type Copying, readText, storeText } from './files.ts';

/** What is wrong with a proof, as a sentence, and whose it is. */
export interface ProofProblem {
	of: 'app' | 'copy';
	text: string;
}

/**
 * Copies the proofs that the app lists: the newest verification and the newest drill. Returns a problem for
 * each that the app has not signed, which is not copied, and with `check` for each that was changed at the
 * destination. Throws what the app and the destination throw.
 */
export async function copyProofs(
	{ name, verified, drilled }: ListedBackup,
	copying: Copying,
): Promise<ProofProblem[]> {
	const keys = copying.keys.unsigned ? [] : verificationKeys();
	const proofs = [verified, drilled].filter((proof) => proof !== null);
	const problems: ProofProblem[] = [];
	for (const { at } of proofs) {
		const problem = await copyProof(name, proofKey(name, at), keys, copying);
		if (problem !== null) problems.push(problem);
	}
	return problems;
}

async function copyProof(
	name: string,
	key: string,
	keys: BackupKey[],
	copying: Copying,
): Promise<ProofProblem | null> {
	const { api, destination, sizes, check } = copying;
	if (backupOfFile(key) !== name)
		return ofApp(`The app lists ${key}, which is not the name of a proof.`);
	const isProof = (text: string) => openProof(text, keys)?.backup === name;
	if (sizes.has(key)) {
		if (!check || isProof(await readText(destination, key))) return null;
		const text = `${key} in ${destination.title} is not a proof that the app signed, and was left.`;
		return { of: 'copy', text };
	}
	try {
		const text = await api.text(key);
		if (!isProof(text))
			return ofApp(`${key} is not a proof that the app signed, and was not copied.`);
		await storeText(key, text, copying);
		return null;
	} catch (error) {
		const isGone = error instanceof LifeboatError && error.code === 'backup_not_found';
		if (isGone) return ofApp(`${key} is listed by the app, but is not there.`);
		throw error;
	}
}

function ofApp(text: string): ProofProblem {
	return { of: 'app', text };
}
