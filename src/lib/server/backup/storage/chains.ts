import type { LastProof, ListedBackup } from '../format/manifest.ts';

/*
 * A proof of a differential is about the slices of its parent too. So it counts no longer once the parent
 * is gone, or was found to be damaged.
 */

/**
 * Listed backups, of which those whose parent is missing or was found to be damaged after their own proofs
 * have a `problem`, and no proof that says that they are good. `isKnown` says whether the list would contain
 * a backup if there were one of this name; nothing is said of those whose parent it would not.
 */
export function withProblems(
	backups: ListedBackup[],
	isKnown: (name: string) => boolean = () => true,
): ListedBackup[] {
	const named = new Map(backups.map((backup) => [backup.name, backup]));
	return backups.map((backup) => {
		if (backup.parent !== null && !isKnown(backup.parent)) return backup;
		const problem = problemOf(backup, named);
		if (problem === null) return backup;
		const { verified, drilled } = backup;
		return { ...backup, verified: revoked(verified), drilled: revoked(drilled), problem };
	});
}

function problemOf(backup: ListedBackup, named: Map<string, ListedBackup>): string | null {
	if (backup.parent === null) return null;
	const full = `The full backup ${backup.parent}, on which it rests,`;
	const parent = named.get(backup.parent);
	if (parent?.parent !== null) return `${full} is missing.`;
	const { verified, drilled } = parent;
	// A drill verifies too.
	const isBad =
		isUnanswered(drilled, [backup.drilled]) ||
		isUnanswered(verified, [drilled, backup.verified, backup.drilled]);
	return isBad ? `${full} was found to be damaged.` : null;
}

/** Whether a proof found damage, and none of these was made after it and found none. */
function isUnanswered(proof: LastProof | null, answers: (LastProof | null)[]): boolean {
	if (proof === null || proof.proven) return false;
	return !answers.some((answer) => answer?.proven && answer.at > proof.at);
}

function revoked(proof: LastProof | null): LastProof | null {
	return proof && { ...proof, proven: false };
}
