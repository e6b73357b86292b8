import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { killGroup } from '../src/cli/embedded/server.ts';

// CPU time, page faults and memory of processes, read from /proc on Linux: see proc(5).

const SAMPLING_INTERVAL_MS = 50;
/** Clock ticks per second in /proc: 100 on every common Linux (getconf CLK_TCK). */
const TICKS_PER_SECOND = 100;

/** A number for each program: `node`, `workerd`, … The processes of one program are added up. */
type ByProgram = Record<string, number>;

/** What some work used. Memory is resident memory in millions of bytes. */
export interface Usage {
	seconds: number;
	cpuSeconds: ByProgram;
	/** Page faults, minor and major: what a program that asks for much new memory waits for. */
	pageFaults: ByProgram;
	/** Memory of the processes that ran before the work began. */
	restingMegabytes: ByProgram;
	/** Each process counts with its own peak, even if the peaks came at different times. */
	peakMegabytes: ByProgram;
}

interface Process {
	pid: number;
	program: string;
	parent: number;
	group: number;
	cpuSeconds: number;
	pageFaults: number;
}

/** What a process used during the work, and its peak. */
type Seen = Pick<Process, 'program' | 'cpuSeconds' | 'pageFaults'> & { megabytes: number };

/** Runs a command and measures it with all its descendants. Throws with its stderr if it fails. */
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
				cwd,
				detached: true, // gives it a process group of its own
				stdio: ['ignore', 'ignore', 'pipe'],
			});
			const kill = () => killGroup(child);
			process.prependOnceListener('exit', kill); // runs before its folder is removed
			root = child.pid ?? 0;
			const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
			process.off('exit', kill);
			if (code !== 0) throw new Error(`${command} exited with ${code}: ${errors.trim()}`);
		},
		SAMPLING_INTERVAL_MS,
	);
}

/** Measures the workerd processes of a process group, which outlive the work. */
export function measureWorkerd(group: number, work: () => Promise<void>): Promise<Usage> {
	return measure(() => workerdsIn(group), work);
}

/**
 * Measures processes during the work. Pass an interval if processes may exit before the work ends:
 * they are then sampled while they run, which itself takes a little time.
 */
async function measure(
	findProcesses: () => Process[],
	work: () => Promise<void>,
	intervalMs?: number,
): Promise<Usage> {
	const before = new Map(findProcesses().map((one) => [one.pid, one]));
	const resting = [...before.values()].map(({ pid, program }) => {
		resetPeak(pid);
		return { program, megabytes: memoryOf(pid, 'VmRSS') };
	});
	const seen = new Map<number, Seen>();
	const sample = () => {
		for (const { pid, program, ...now } of findProcesses()) {
			const megabytes = memoryOf(pid, 'VmHWM');
			const { cpuSeconds = 0, pageFaults = 0 } = before.get(pid) ?? {};
			const used = {
				cpuSeconds: now.cpuSeconds - cpuSeconds,
				pageFaults: now.pageFaults - pageFaults,
			};
			if (megabytes > 0) seen.set(pid, { program, megabytes, ...used });
		}
	};
	const timer = intervalMs === undefined ? undefined : setInterval(sample, intervalMs);
	const started = performance.now();
	try {
		await work();
	} finally {
		clearInterval(timer);
	}
	const seconds = (performance.now() - started) / 1000;
	sample();
	const found = [...seen.values()];
	return {
		seconds,
		cpuSeconds: sumByProgram(found, ({ cpuSeconds }) => cpuSeconds),
		pageFaults: sumByProgram(found, ({ pageFaults }) => pageFaults),
		restingMegabytes: sumByProgram(resting, ({ megabytes }) => megabytes),
		peakMegabytes: sumByProgram(found, ({ megabytes }) => megabytes),
	};
}

function sumByProgram<T extends { program: string }>(
	entries: T[],
	valueOf: (entry: T) => number,
): ByProgram {
	const sums: ByProgram = {};
	for (const entry of entries) sums[entry.program] = (sums[entry.program] ?? 0) + valueOf(entry);
	return sums;
}

function workerdsIn(group: number): Process[] {
	return processes().filter((one) => one.program === 'workerd' && one.group === group);
}

function descendantsOf(root: number): Process[] {
	const all = processes();
	const found = all.filter(({ pid }) => pid === root);
	for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
	return found;
}

/** Resets the peak of a process's resident memory to its current size. */
function resetPeak(pid: number): void {
	writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Resident memory of a process, current or peak, in millions of bytes. 0 if it has exited. */
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
		const fields = rest.split(' ').map(Number); // from the fourth field on, which is the parent
		const [parent = 0, group = 0] = fields;
		const cpuSeconds = ((fields[10] ?? 0) + (fields[11] ?? 0)) / TICKS_PER_SECOND;
		const pageFaults = (fields[6] ?? 0) + (fields[8] ?? 0);
		return [{ pid, program: programOf(command), parent, group, cpuSeconds, pageFaults }];
	});
}

/** Every other process is Node. Its name varies: it can be that of a thread, or set by a script. */
function programOf(command: string): string {
	return ['workerd', 'esbuild', 'sqlite3'].includes(command) ? command : 'node';
}

/** Empty if the process has exited. */
function readProcess(pid: number, file: 'stat' | 'status'): string {
	try {
		return readFileSync(`/proc/${pid}/${file}`, 'utf8');
	} catch {
		return '';
	}
}
