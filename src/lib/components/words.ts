import type { ProofRow } from './detail-types.ts';
import type {
	BackupKind,
	BackupRow,
	CallerKind,
	Consistency,
	Mark,
	Moment,
	Outcome,
	PruneAction,
	Tone,
} from './types.ts';

// The words for what the API names by codes.

export const KIND: Record<BackupKind, string> = { full: 'Full', incremental: 'Differential' };

export const CONSISTENCY: Record<Consistency, string> = {
	atomic: 'in one transaction',
	fenced: 'with no write in between',
	staged: 'from a stage, printed in one transaction',
};

export const OUTCOME: Record<Outcome, string> = {
	done: 'Done',
	refused: 'Refused',
	failed: 'Failed',
};
export const OUTCOME_TONE: Record<Outcome, Tone> = {
	done: 'good',
	refused: 'notice',
	failed: 'bad',
};

export const CALLER: Record<CallerKind, string> = {
	stranger: 'Stranger',
	code: 'Code',
	token: 'GitHub Actions',
	administrator: 'Administrator',
	app: 'The app itself',
};

export const ACTION: Record<PruneAction, string> = {
	keep: 'Stays',
	leave: 'Left alone',
	unmark: 'Stays, mark withdrawn',
	mark: 'Marked for removal',
	wait: 'Waits',
	remove: 'Removed',
	later: 'Left to a later run',
};

/** The words and the tone of a proof; `at` is missing where there is none. */
export interface ProofWords {
	text: string;
	tone: Tone | null;
	at?: Moment;
}

/** The last proofs of a backup in a few words: a bad one first, then the stronger one. */
export function proofWords({
	verified,
	drilled,
}: Pick<BackupRow, 'verified' | 'drilled'>): ProofWords {
	for (const proof of [drilled, verified]) {
		if (proof && !proof.proven) return { text: 'Damaged', tone: 'bad', at: proof.at };
	}
	if (drilled) return { text: 'Drilled', tone: 'good', at: drilled.at };
	if (verified) return { ...verifiedWords(verified), at: verified.at };
	return { text: 'Not proven', tone: null };
}

/** The same of one proof. */
export function proofRowWords({ kind, proven, scope, at }: ProofRow): ProofWords {
	if (!proven)
		return { text: kind === 'drill' ? 'Drill failed' : 'Verification failed', tone: 'bad', at };
	if (kind === 'drill') return { text: 'Drilled', tone: 'good', at };
	return { ...verifiedWords({ scope }), at };
}

/** What becomes of a marked backup, up to the time that follows. */
export function markWords({ by, locked, removing }: Mark): string {
	const why = by === 'request' ? 'Removal was requested' : 'No rule keeps it';
	if (removing) return `${why}. Its removal has begun, marked`;
	if (locked) return `${why}, but a lock rule of the bucket does. Marked`;
	return `${why}. It may be removed from`;
}

function verifiedWords({ scope }: { scope: 'contents' | 'stored' }): ProofWords {
	return { text: scope === 'stored' ? 'Verified as stored' : 'Verified', tone: 'good' };
}
