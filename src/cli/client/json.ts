/** The object in a text of JSON; an empty one for any other text. */
export function parseObject(json: string): Record<string, unknown> {
	try {
		return Object(JSON.parse(json)) as Record<string, unknown>;
	} catch {
		return {};
	}
}
