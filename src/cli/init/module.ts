import { tsPlugin } from '@sveltejs/acorn-typescript';
import { type Node, Parser, type Program } from 'acorn';

const TypeScript = Parser.extend(tsPlugin());

/** The syntax tree of a module in JavaScript or TypeScript, or null if it cannot be parsed. */
export function parseModule(text: string): Program | null {
	try {
		return TypeScript.parse(text, { ecmaVersion: 'latest', sourceType: 'module' });
	} catch {
		return null;
	}
}

/** The names that a statement exports. */
export function declared(node: Program['body'][number]): string[] {
	if (node.type !== 'ExportNamedDeclaration') return [];
	const { declaration, specifiers } = node;
	if (!declaration) return specifiers.map(({ exported }) => nameOf(exported));
	if (declaration.type !== 'VariableDeclaration') return [nameOf(declaration.id)];
	return declaration.declarations.flatMap(({ id }) => [...identifiers(id).keys()]);
}

/** Every name that is used as a variable, with the number of its places. Keys and members do not count. */
export function identifiers(root: Node): Map<string, number> {
	const found = new Map<string, number>();
	const visit = (value: unknown, key: string, parent: Fields): void => {
		if (Array.isArray(value)) return value.forEach((item) => visit(item, key, parent));
		if (!isNode(value)) return;
		const isName = !parent['computed'] && !parent['shorthand'];
		const isLabel = isName && (key === 'property' || key === 'key');
		if (value.type === 'Identifier' && !isLabel) {
			const name = nameOf(value);
			found.set(name, (found.get(name) ?? 0) + 1);
		}
		for (const [inner, child] of Object.entries(value)) visit(child, inner, value as Fields);
	};
	visit(root, '', {});
	return found;
}

type Fields = Record<string, unknown>;

function isNode(value: unknown): value is Node & Fields {
	return typeof value === 'object' && value !== null && 'type' in value;
}

/** The name of an identifier, or the text of a string in its place. */
export function nameOf(node: Node): string {
	const { name, value } = node as Node & { name?: unknown; value?: unknown };
	return String(name ?? value);
}
