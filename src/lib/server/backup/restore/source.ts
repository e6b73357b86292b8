/** SQL text that can be read from the start as often as needed. */
export interface SqlSource {
	open(): AsyncIterable<Uint8Array>;
}
