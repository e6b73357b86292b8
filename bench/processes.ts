import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';

// Processes and their memory, as Linux tells of them: proc(5).

const SAMPLE_MS = 50;

interface Process {
	pid: number;
	name: string;
	parent: number;
	group: number;
}

/** What a command took, with all processes that it started. */
export interface Usage {
	seconds: number;
	/** The most that each was seen to hold, of all processes of that name together, in MB. */
	peakMemory: Record<string, number>;
}

/** Runs a command to its end. Throws with what it printed when it fails. */
export async function measure(command: string, args: string[]): Promise<Usage> {
	const started = performance.now();
	const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
	const peaks = new Map<number, { name: string; megabytes: number }>();
	const sample = () => {
		for (const { pid, name } of descendants(child.pid ?? 0)) {
			const megabytes = memoryOf(pid, 'VmHWM');
			if (megabytes > 0) peaks.set(pid, { name, megabytes });
		}
	};
	const timer = setInterval(sample, SAMPLE_MS);
	const [output, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
	clearInterval(timer);
	if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${output}`);
	const peakMemory: Record<string, number> = {};
	for (const { name, megabytes } of peaks.values()) {
		peakMemory[name] = (peakMemory[name] ?? 0) + megabytes;
	}
	return { seconds: (performance.now() - started) / 1000, peakMemory };
}

/** The workerd processes of a process group. */
export function workerdsOf(group: number): number[] {
	return processes()
		.filter((process) => process.name === 'workerd' && process.group === group)
		.map(({ pid }) => pid);
}

/** Sets the peak of the resident memory back to what it is now. */
export function resetPeak(pid: number): void {
	writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Resident memory of a process now or at its peak, in MB; 0 when it is gone. */
export function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
	try {
		const status = readFileSync(`/proc/${pid}/status`, 'utf8');
		return Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024);
	} catch {
		return 0;
	}
}

function descendants(root: number): Process[] {
	const all = processes();
	const found = all.filter(({ pid }) => pid === root);
	for (const { pid } of found) found.push(...all.filter(({ parent }) => parent === pid));
	return found;
}

function processes(): Process[] {
	return readdirSync('/proc')
		.filter((name) => /^\d+$/.test(name))
		.flatMap((name) => {
			try {
				const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
				const [, command = '', parent, group] = /\((.*)\) \S (\d+) (\d+)/s.exec(stat) ?? [];
				const program = command === 'workerd' || command === 'esbuild' ? command : 'node';
				return [{ pid: Number(name), name: program, parent: Number(parent), group: Number(group) }];
			} catch {
				return []; // it has ended meanwhile
			}
		});
}
