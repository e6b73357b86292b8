import { runInNewContext } from 'node:vm';
import type { Context } from './runner.ts';

/** A step or a job that has ended. */
export interface Before {
	outputs: Record<string, string>;
	result?: 'success' | 'failure' | 'skipped';
}

/** What expressions can name: the inputs of a run, and the steps before. */
type Known = Context & { steps?: Record<string, Before> };

/** Replaces the expressions in `${{ }}`. As on GitHub, what is not set is empty. */
export function expand(text: string, context: Known): string {
	return text.replace(/\$\{\{ (.+?) \}\}/g, (_, expression: string) => {
		return String(evaluate(expression, context) ?? '');
	});
}

/** The value of an expression. Of GitHub's, the operators used here mean the same in JavaScript. */
export function evaluate(expression: string, context: Known): unknown {
	const { secrets = {}, vars = {}, github = {}, inputs = {}, env = {} } = context;
	const given = {
		...{ secrets, vars, inputs, github: { event: {}, ...github } },
		...{ needs: ended(context.needs), steps: ended(context.steps) },
		...{ runner: { temp: env['RUNNER_TEMP'] }, cancelled: () => false },
	};
	return runInNewContext(bare(expression), given) as unknown;
}

/** As on GitHub, every output that was not written is empty, also of what has not run. */
function ended(before: Record<string, Before> = {}): object {
	const named = (name: string | symbol) => ({ outputs: {}, ...before[String(name)] });
	const outputs = (of: object) =>
		new Proxy(of, { get: (all, name) => Reflect.get(all, name) ?? '' });
	return new Proxy(before, {
		get: (_, name) => ({ ...named(name), outputs: outputs(named(name).outputs) }),
	});
}

/** An expression without the `${{ }}` that may be around it. */
function bare(condition: string): string {
	return condition.replace(/^\$\{\{ (.+) \}\}$/s, '$1');
}
