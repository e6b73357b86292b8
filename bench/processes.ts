import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { killGroup } from '../src/cli/embedded/server.ts';

// Processes, their processor time and their memory, as Linux tells of them: proc(5).

const SAMPLE_MS = 50;
/** Ticks of a second in /proc, on every Linux (getconf CLK_TCK). */
const TICKS = 100;

/** What some work took. All processes of one program count together, each at its own peak. */
export interface Usage {
	seconds: number;
	/** By program: `node`, `workerd`, … */
	cpuSeconds: Record<string, number>;
	/** Resident memory in millions of bytes, by program: of what ran already, and at most. */
	restingMegabytes: Record<string, number>;
	peakMegabytes: Record<string, number>;
}

interface Process {
	pid: number;
	program: string;
	parent: number;
	group: number;
	cpuSeconds: number;
}

/**
 * Runs a command to its end, with all processes that it starts. Throws with what it said when it
 * fails.
 */
export async function measureCommand(
	command: string,
	args: string[],
	cwd = process.cwd(),
): Promise<Usage> {
	let root = 0;
	return await measure(
		() => descendantsOf(root),
		async () => {
			const child = spawn(command, args, {
				...{ cwd, detached: true }, // a process group of its own
				stdio: ['ignore', 'ignore', 'pipe'],
			});
			const kill = () => killGroup(child);
			process.prependOnceListener('exit', kill); // before its folder is removed
			root = child.pid ?? 0;
			const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
			process.off('exit', kill);
			if (code !== 0) throw new Error(`${command} ended with ${code}: ${said.trim()}`);
		},
		SAMPLE_MS,
	);
}

/** Measures some work that the workerd processes of a process group do, which run all the time. */
export function measureWorkerd(group: number, work: () => Promise<void>): Promise<Usage> {
	return measure(() => workerdsOf(group), work);
}

/**
 * Measures what some processes do during the work. Those that end before it does are looked at now
 * and then, which takes a little time itself.
 */
async function measure(
	find: () => Process[],
	work: () => Promise<void>,
	intervalMs?: number,
): Promise<Usage> {
	const before = new Map(find().map((one) => [one.pid, one]));
	const resting = [...before.values()].map(({ pid, program }) => {
		resetPeak(pid);
		return { program, value: memoryOf(pid, 'VmRSS') };
	});
	const seen = new Map<number, { program: string; cpuSeconds: number; megabytes: number }>();
	const look = () => {
		for (const { pid, program, cpuSeconds } of find()) {
			const megabytes = memoryOf(pid, 'VmHWM');
			const since = cpuSeconds - (before.get(pid)?.cpuSeconds ?? 0);
			if (megabytes > 0) seen.set(pid, { program, cpuSeconds: since, megabytes });
		}
	};
	const timer = intervalMs === undefined ? undefined : setInterval(look, intervalMs);
	const started = performance.now();
	try {
		await work();
	} finally {
		clearInterval(timer);
	}
	const seconds = (performance.now() - started) / 1000;
	look();
	const found = [...seen.values()];
	return {
		seconds,
		cpuSeconds: sums(found.map(({ program, cpuSeconds }) => ({ program, value: cpuSeconds }))),
		restingMegabytes: sums(resting),
		peakMegabytes: sums(found.map(({ program, megabytes }) => ({ program, value: megabytes }))),
	};
}

function sums(values: { program: string; value: number }[]): Record<string, number> {
	const total: Record<string, number> = {};
	for (const { program, value } of values) total[program] = (total[program] ?? 0) + value;
	return total;
}

function workerdsOf(group: number): Process[] {
	return processes().filter((one) => one.program === 'workerd' && one.group === group);
}

function descendantsOf(root: number): Process[] {
	const all = processes();
	const found = all.filter(({ pid }) => pid === root);
	for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
	return found;
}

/** Sets the peak of the resident memory back to what it is now. */
function resetPeak(pid: number): void {
	writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Resident memory of a process now or at its peak; 0 when it is gone. */
function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
	const status = readProcess(pid, 'status');
	const kibibytes = Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
	return (kibibytes * 1024) / 1e6;
}

function processes(): Process[] {
	const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
	return pids.flatMap((name) => {
		const pid = Number(name);
		const [, command, rest] = /\((.*)\) \S (.*)/s.exec(readProcess(pid, 'stat')) ?? [];
		if (command === undefined || rest === undefined) return [];
		const fields = rest.split(' ').map(Number); // from the fourth on, the parent
		const [parent = 0, group = 0] = fields;
		const cpuSeconds = ((fields[10] ?? 0) + (fields[11] ?? 0)) / TICKS;
		return [{ pid, program: programOf(command), parent, group, cpuSeconds }];
	});
}

/** Node names its processes by their threads, or as a script asks it to. */
function programOf(command: string): string {
	return ['workerd', 'esbuild', 'sqlite3'].includes(command) ? command : 'node';
}

/** Empty when the process has ended. */
function readProcess(pid: number, file: 'stat' | 'status'): string {
	try {
		return readFileSync(`/proc/${pid}/${file}`, 'utf8');
	} catch {
		return '';
	}
}
