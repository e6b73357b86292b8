import type { LastProof, ListedBackup } from '../format/manifest.ts';

/** What retention knows of a backup. Times are in milliseconds since 1970. */
export interface Candidate {
	name: string;
	kind: 'full' | 'incremental';
	startedAt: number;
	/** The full backup that an incremental one is based on. */
	parent: string | null;
	/** Whether its signature was checked and is valid. Others are left alone, and do not count. */
	trusted: boolean;
	/** The last drill, if the last proofs are good. */
	drilledAt: number | null;
	/** The last proof of its contents, by verification or drill, if the last proofs are good. */
	provenAt: number | null;
	/** Whether a last proof found it to differ. Then a rule keeps a sound one in its place as well. */
	damaged: boolean;
	pinned: boolean;
	/** Whether a person asked to remove it: then no rule keeps it, but the floors still do. */
	requested: boolean;
}

/** What a list does not say of a backup. Each asks by the name. */
export interface Known {
	/** Whether the signature of its manifest, or of its summary, was checked and is valid. */
	isTrusted(name: string): boolean;
	isPinned(name: string): boolean;
	/** Whether a person asked to remove it. */
	isRequested(name: string): boolean;
}

/**
 * What retention knows of listed backups, in the same order. The list has to contain those that are dated
 * in the future too, because they stop retention.
 */
export function candidatesOf(backups: readonly ListedBackup[], known: Known): Candidate[] {
	return backups.map((backup) => ({
		name: backup.name,
		kind: backup.kind,
		startedAt: Date.parse(backup.startedAt),
		parent: backup.signed === false ? null : backup.parent, // a forged one must not hold another
		trusted: known.isTrusted(backup.name),
		...proofsOf(backup),
		pinned: known.isPinned(backup.name),
		requested: known.isRequested(backup.name),
	}));
}

type Proofs = Pick<Candidate, 'drilledAt' | 'provenAt' | 'damaged'>;

/** A proof counts while the newest of each kind is good, as in the health. */
function proofsOf({ verified, drilled }: ListedBackup): Proofs {
	const proofs = [verified, drilled].filter((proof) => proof !== null);
	if (proofs.some(({ proven }) => !proven))
		return { drilledAt: null, provenAt: null, damaged: true };
	const ofContents = proofs.filter(({ scope }) => scope === 'contents');
	return {
		drilledAt: drilled && timeOf(drilled),
		provenAt: ofContents.length > 0 ? Math.max(...ofContents.map(timeOf)) : null,
		damaged: false,
	};
}

function timeOf({ at }: LastProof): number {
	return Date.parse(at);
}
