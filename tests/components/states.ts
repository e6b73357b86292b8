import * as backups from './states/backups.ts';
import * as calls from './states/calls.ts';
import * as status from './states/status.ts';

export { MISLEADING } from './states/state.ts';

/** Every component in each of its states, by the name of its file. */
export const STATES = {
	AuditLog: calls.auditLog,
	BackupDetails: backups.backupDetails,
	BackupFacts: backups.backupFacts,
	BackupTable: backups.backupTable,
	Bars: status.bars,
	CodeForm: calls.codeForm,
	Command: calls.command,
	CopyButton: calls.copyButton,
	DayShape: status.dayShape,
	DayStrip: status.dayStrip,
	FirstRun: status.firstRun,
	Foreign: calls.foreign,
	Lockout: calls.lockout,
	LogTable: calls.logTable,
	Overview: status.overview,
	Proof: backups.proof,
	ProofList: backups.proofList,
	PrunePreview: backups.prunePreview,
	Reasons: backups.reasons,
	Recipients: backups.recipients,
	RestorePanel: backups.restorePanel,
	RunProgress: calls.runProgress,
	Shape: status.shape,
	Time: calls.time,
	Verdict: status.verdict,
};

export type Part = keyof typeof STATES;
