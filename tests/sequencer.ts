import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The test file that takes longest: last, it would keep one worker busy while the others are idle. */
const LONGEST = 'tests/properties/roundtrip.test.ts';

/** The usual order, but for the file that takes longest, which comes first. */
export default class LongestFirst extends BaseSequencer {
	override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
		const sorted = await super.sort(files);
		const isLongest = ({ moduleId }: TestSpecification) => moduleId.endsWith(LONGEST);
		return [...sorted.filter(isLongest), ...sorted.filter((file) => !isLongest(file))];
	}
}
