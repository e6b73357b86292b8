import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

type Prettier = typeof import('prettier');

/**
 * A text as the app's own Prettier writes it, if it has one and the text before was in its form. Otherwise
 * the text itself.
 */
export async function formatted(
	folder: string,
	file: string,
	before: string | null,
	after: string,
): Promise<string> {
	try {
		const path = createRequire(join(folder, 'package.json')).resolve('prettier');
		const { default: prettier } = (await import(pathToFileURL(path).href)) as { default: Prettier };
		const filepath = join(folder, file);
		const config = await prettier.resolveConfig(filepath, { editorconfig: true });
		const options = { ...config, filepath };
		if (before !== null && !(await prettier.check(before, options))) return after;
		return await prettier.format(after, options);
	} catch {
		return after; // there is none here, or it does not know such files
	}
}
