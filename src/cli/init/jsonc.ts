import { applyEdits, type Edit, findNodeAtLocation, type Node, parseTree } from 'jsonc-parser';
import type { Change } from './change.ts';

/** A JSONC text with some settings changed. Every comment stays with what it is about. */
export function editJsonc(text: string, changes: readonly Change[]): string {
	return changes.reduce((now, change) => applyEdits(now, edits(now, change)), text);
}

function edits(text: string, { path, value, isItem, after }: Change): Edit[] {
	const root = parseTree(text, [], { allowTrailingComma: true });
	if (!root) return [];
	const json = compact(value);
	const node = findNodeAtLocation(root, path);
	if (node && !isItem) return [{ offset: node.offset, length: node.length, content: json }];
	if (node) return itemEdits(text, node, json);
	const object = findNodeAtLocation(root, path.slice(0, -1)) ?? root;
	const content = `${JSON.stringify(path.at(-1))}: ${isItem ? `[${json}]` : json}`;
	const sibling = property(object, after) ?? object.children?.at(0);
	return sibling ? insertAfter(text, sibling, content) : insertInto(object, content);
}

function property(object: Node, name: string): Node | undefined {
	return object.children?.find(({ children }) => children?.[0]?.value === name);
}

function itemEdits(text: string, array: Node, json: string): Edit[] {
	const last = array.children?.at(-1);
	return last ? insertAfter(text, last, json) : insertInto(array, json);
}

function insertInto({ offset }: Node, content: string): Edit[] {
	return [{ offset: offset + 1, length: 0, content }];
}

/** What may stand on a line after a value: a comment. */
const LINE_END = /^[^\S\r\n]*(?:\/\/[^\r\n]*|\/\*[^\r\n]*?\*\/[^\S\r\n]*)?(?=\r?\n)/;

/** Puts an item or property after another one: on a line of its own, below a comment on that line. */
function insertAfter(text: string, { offset, length }: Node, content: string): Edit[] {
	const end = offset + length;
	const [, indent] = /(?:^|\n)([^\S\n]*)$/.exec(text.slice(0, offset)) ?? [];
	const [comma = ''] = /^\s*,/.exec(text.slice(end)) ?? [];
	const [comment] = LINE_END.exec(text.slice(end + comma.length)) ?? [];
	if (indent === undefined || comment === undefined) {
		return [{ offset: end, length: 0, content: `, ${content}` }];
	}
	const eol = text.includes('\r\n') ? '\r\n' : '\n';
	const line = `${eol}${indent}${content}`;
	const lineEnd = end + comma.length + comment.length;
	if (comma !== '') return [{ offset: lineEnd, length: 0, content: `${line},` }];
	return [
		{ offset: end, length: 0, content: ',' },
		{ offset: lineEnd, length: 0, content: line },
	];
}

/** On one line, with the spaces that Prettier puts. */
function compact(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(compact).join(', ')}]`;
	if (typeof value !== 'object' || value === null) return JSON.stringify(value);
	const pairs = Object.entries(value).map(
		([key, one]) => `${JSON.stringify(key)}: ${compact(one)}`,
	);
	return `{ ${pairs.join(', ')} }`;
}
