/** Why a backup stays or goes. Codes are part of the API and never renamed. */
export type ReasonCode =
	// What a rule keeps.
	| 'last'
	| 'hourly'
	| 'daily'
	| 'weekly'
	| 'monthly'
	| 'yearly'
	| 'within'
	| 'oldest'
	// What no rule may remove.
	| 'newest'
	| 'drilled'
	| 'proven'
	| 'needed'
	| 'pinned'
	| 'young'
	| 'future'
	| 'untrusted'
	// Why nothing is removed now.
	| 'no_policy'
	| 'clock_behind'
	| 'newest_old'
	| 'unproven'
	| 'pins_forged'
	// Why it goes.
	| 'no_rule'
	| 'requested';

/** A stable code, and a phrase for people, such as `daily 3 of 7 (2026-11-22)`. */
export interface Reason {
	code: ReasonCode;
	text: string;
}
