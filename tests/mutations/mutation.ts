/** A fault to plant: what to replace, once, in which file, and the tests that must notice it. */
export interface Mutation {
	title: string;
	file: string;
	right: string;
	wrong: string;
	/** Paths of test files, or parts of them. */
	tests: string[];
}
