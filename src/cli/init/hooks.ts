import { applyEdits, type Edit } from 'jsonc-parser';
import type { ExportNamedDeclaration, Node, Program } from 'acorn';
import type { Options } from './bindings.ts';
import { declared, identifiers, nameOf, parseModule } from './module.ts';

/** A line up to here is one line for Prettier, whose narrowest usual width this is. */
const WIDTH = 80;

/** Where SvelteKit exports `sequence`. */
const KIT = '@sveltejs/kit/hooks';

/** The name of the app's own handle: as long as `handle` without its `export`, so each line keeps its length. */
const OWN = 'handleRequest';

/**
 * The text of an app's hooks with Lifeboat's handle first, in the file's own style. Null if they have a form
 * that this does not know; the same text if they import Lifeboat already. `text` is null for a new file.
 */
export function wireHooks(text: string | null, wanted: Options): string | null {
	const program = parseModule(text ?? '');
	if (!program) return null;
	if (importOf(program, 'lifeboat')) return text;
	const file = new Hooks(text ?? '', program, wanted);
	return file.wired();
}

/** The lines that somebody adds by hand to hooks that {@link wireHooks} does not know. */
export function linesByHand(wanted: Options): string[] {
	const style = { quote: "'", end: ';' };
	return [
		"import { lifeboat } from 'lifeboat';",
		"import { sequence } from '@sveltejs/kit/hooks';",
		`const backups = ${call(wanted, style)};`,
		'export const handle = sequence(backups.handle, YOUR_HANDLE);',
	];
}

/** What hooks give to `lifeboat()` as names of bindings; nothing if they do not import it yet. */
export function usedOptions(text: string | null): Options {
	const program = text === null ? null : parseModule(text);
	if (!program || !text || !importOf(program, 'lifeboat')) return {};
	const [given = ''] = /\blifeboat\(\{[^)]*\)/.exec(text) ?? [];
	const [, bucket] = /\bbucket:\s*['"](\w+)['"]/.exec(given) ?? [];
	const [, pairs = ''] = /\bdatabases:\s*\{([^}]*)\}/.exec(given) ?? [];
	const databases = [...pairs.matchAll(/(['"]?)([\w-]+)\1:\s*['"](\w+)['"]/g)].map(
		([, , name = '', binding = '']) => [name, binding] as const,
	);
	return {
		...(databases.length > 0 && { databases: Object.fromEntries(databases) }),
		...(bucket !== undefined && { bucket }),
	};
}

interface Style {
	quote: string;
	/** The end of a statement: a semicolon or nothing. */
	end: string;
}

/** One file of hooks, and where to change it. */
class Hooks {
	readonly #text: string;
	readonly #program: Program;
	readonly #wanted: Options;
	readonly #style: Style;
	readonly #eol: string;
	readonly #names: Map<string, number>;

	constructor(text: string, program: Program, wanted: Options) {
		this.#text = text;
		this.#program = program;
		this.#wanted = wanted;
		this.#eol = text.includes('\r\n') ? '\r\n' : '\n';
		this.#names = identifiers(program);
		const first = program.body.find(isImport);
		const source = first ? text.slice(first.start, first.end) : `'';`;
		this.#style = {
			quote: source.includes('"') ? '"' : "'",
			end: source.endsWith(';') ? ';' : '',
		};
	}

	wired(): string | null {
		if (['backups', 'lifeboat'].some((name) => this.#names.has(name))) return null;
		const found = this.#program.body.filter((node) => declared(node).includes('handle'));
		if (this.#program.body.some(({ type }) => type === 'ExportAllDeclaration')) return null;
		const [node, ...others] = found;
		if (!node) return this.#withoutOwn();
		if (others.length > 0 || node.type !== 'ExportNamedDeclaration') return null;
		if (!this.#sequence) return null;
		if (node.source) return this.#reexported(node);
		const declaration = node.declaration;
		if (declaration?.type === 'FunctionDeclaration') {
			return this.#renamed(node, declaration.id);
		}
		if (declaration?.type !== 'VariableDeclaration') return null;
		const [only, ...more] = declaration.declarations;
		if (!only?.init || more.length > 0 || only.id.type !== 'Identifier') return null;
		const inside = this.#inside(only.init, node);
		if (!inside) return this.#renamed(node, only.id);
		return this.#apply([...this.#head(node.start), ...inside]);
	}

	/** The file has no handle yet. */
	#withoutOwn(): string {
		const { end } = this.#style;
		const handle = `export const handle = ${call(this.#wanted, this.#style)}.handle${end}`;
		const lines = [this.#import('lifeboat', 'lifeboat')];
		const body = this.#text.trimEnd();
		const at = { offset: body.length, length: this.#text.length - body.length };
		const tail = `${this.#eol}${this.#eol}${handle}${this.#eol}`;
		if (body === '') return [...lines, '', handle, ''].join(this.#eol);
		return this.#apply([...this.#imports(lines, [], Infinity), { ...at, content: tail }]);
	}

	/** `export { handle } from` becomes an import. */
	#reexported(node: ExportNamedDeclaration): string | null {
		const [specifier, ...others] = node.specifiers;
		if (!specifier || others.length > 0 || !this.#isFree(OWN)) return null;
		const local = this.#text.slice(specifier.local.start, specifier.local.end);
		const rest = this.#text.slice(node.source?.start, node.end);
		const content = `import { ${local} as ${OWN} } from ${rest}`;
		const edit = { offset: node.start, length: node.end - node.start, content };
		return this.#apply([edit, ...this.#head(node.end, [this.#handle()])]);
	}

	/** The app's handle loses its export and gets another name; ours follows it. */
	#renamed(node: Node & { declaration?: Node | null }, id: Node): string | null {
		if (!this.#isFree(OWN) || this.#names.get('handle') !== 1) return null;
		const start = node.declaration?.start ?? node.start;
		const after = this.#lineEnd(node.end);
		return this.#apply([
			...this.#head(node.start),
			{ offset: node.start, length: start - node.start, content: '' },
			{ offset: id.start, length: 'handle'.length, content: OWN },
			{
				offset: after,
				length: 0,
				content: `${this.#eol}${this.#eol}${this.#handle()}${this.#gap(after)}`,
			},
		]);
	}

	/** The edits that put ours into a short expression or a list of handles; null if they do not fit. */
	#inside(init: Node, node: Node): Edit[] | null {
		const text = this.#text.slice(init.start, init.end);
		const first = firstArgument(init, this.#sequence);
		if (first) {
			const before = this.#text.slice(init.start, first.start);
			const [newLine] = /\r?\n\s*$/.exec(before) ?? [];
			if (newLine)
				return [{ offset: first.start, length: 0, content: `backups.handle,${newLine}` }];
			const added = 'backups.handle, ';
			const edit = { offset: first.start, length: 0, content: added };
			return this.#fits(node, added.length) ? [edit] : null;
		}
		const [open, close] = [`${this.#sequence}(backups.handle, `, ')'];
		const isShort = /^[\w$.]+(\([^{}]*\))?$/.test(text);
		if (!isShort || !this.#fits(node, open.length + close.length)) return null;
		return [
			{ offset: init.start, length: 0, content: open },
			{ offset: init.end, length: 0, content: close },
		];
	}

	/** What stands above `end`: imports, and `backups` with the lines after it. */
	#head(end: number, after: string[] = []): Edit[] {
		const lines = [this.#import('lifeboat', 'lifeboat')];
		if (!importOf(this.#program, KIT)) lines.push(this.#import('sequence', KIT));
		const made = `const backups = ${call(this.#wanted, this.#style)}${this.#style.end}`;
		return this.#imports(lines, ['', made, ...after.flatMap((line) => ['', line])], end);
	}

	/**
	 * Adds lines after the last import above `end`, or after the export that becomes one there. Without one
	 * they go to the top, below a header.
	 */
	#imports(lines: string[], more: string[], end: number): Edit[] {
		const last = this.#program.body.findLast(
			(node) => node.end <= end && (node.type === 'ImportDeclaration' || node.end === end),
		);
		if (last) {
			const offset = this.#lineEnd(last.end);
			const text = [...lines, ...more].map((line) => this.#eol + line).join('');
			return [{ offset, length: 0, content: text + (more.length > 0 ? this.#gap(offset) : '') }];
		}
		const [header = ''] = HEADER.exec(this.#text) ?? [];
		const content = [...lines, ...more, '', ''].join(this.#eol);
		return [{ offset: header.length, length: 0, content }];
	}

	#import(name: string, source: string): string {
		const { quote, end } = this.#style;
		return `import { ${name} } from ${quote}${source}${quote}${end}`;
	}

	#handle(): string {
		return `export const handle = ${this.#sequence}(backups.handle, ${OWN})${this.#style.end}`;
	}

	/** The local name of SvelteKit's `sequence`; null if something else has that name. */
	get #sequence(): string | null {
		const found = importOf(this.#program, KIT);
		if (!found) return this.#isFree('sequence') ? 'sequence' : null;
		const named = found.specifiers.find(
			(one) => one.type === 'ImportSpecifier' && nameOf(one.imported) === 'sequence',
		);
		return named?.local.name ?? null;
	}

	#isFree(name: string): boolean {
		return !this.#names.has(name);
	}

	/** Whether the line of a statement on one line may get so much longer. */
	#fits(node: Node, added: number): boolean {
		const line = this.#text.slice(node.start, node.end);
		return !line.includes('\n') && line.length + added <= WIDTH;
	}

	/** The end of the line at an offset, where only a comment may follow. */
	#lineEnd(offset: number): number {
		const [rest = ''] =
			/^[^\S\r\n]*(?:\/\/[^\r\n]*)?(?=\r?\n|$)/.exec(this.#text.slice(offset)) ?? [];
		return offset + rest.length;
	}

	/** A line end more, unless an empty line or nothing follows. */
	#gap(offset: number): string {
		return /^\s*$|^\r?\n[^\S\n]*\r?\n/.test(this.#text.slice(offset)) ? '' : this.#eol;
	}

	#apply(edits: Edit[]): string {
		return applyEdits(this.#text, edits);
	}
}

/** Comments that stay on top: for TypeScript, or about the file, with an empty line below. */
const HEADER =
	/^\uFEFF?(?:\/\/ @ts-[^\n]*\n(?:\r?\n)?)?(?:(?:(?:\/\/[^\n]*\n)+|\/\*[^]*?\*\/[^\S\n]*\n)\r?\n)?/;

/** `lifeboat({ … })`, on as few lines as Prettier would use. */
function call({ databases, bucket }: Options, { quote }: Style): string {
	const quoted = (text: string) => `${quote}${text}${quote}`;
	const key = (name: string) => (/^[a-z_$][\w$]*$/i.test(name) ? name : quoted(name));
	const pairs = Object.entries(databases ?? {}).map(
		([name, one]) => `${key(name)}: ${quoted(one)}`,
	);
	const options = [
		...(databases ? [`databases: { ${pairs.join(', ')} }`] : []),
		...(bucket ? [`bucket: ${quoted(bucket)}`] : []),
	];
	return options.length > 0 ? `lifeboat({ ${options.join(', ')} })` : 'lifeboat()';
}

/** Also `export … from`. */
function isImport(node: Program['body'][number]): boolean {
	if (node.type === 'ExportNamedDeclaration') return Boolean(node.source);
	return node.type === 'ImportDeclaration';
}

function importOf(program: Program, source: string) {
	return program.body.find(
		(node) => node.type === 'ImportDeclaration' && node.source.value === source,
	) as Extract<Program['body'][number], { type: 'ImportDeclaration' }> | undefined;
}

/** The first handle in a call of `sequence`. */
function firstArgument(node: Node, sequence: string | null): Node | undefined {
	const { callee, arguments: given } = node as Node & {
		callee?: Node & { name?: string };
		arguments?: Node[];
	};
	return node.type === 'CallExpression' && callee?.name === sequence ? given?.[0] : undefined;
}
