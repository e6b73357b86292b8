import { readSetting } from '../secrets/dotenv.ts';
import { shellWord } from '../terminal/text.ts';
import type { Volume } from './backup.ts';

/** The commands to try while the app is running at `url`, for people. */
export function nextCommands(url: string, volumes: Volume[]): string {
	const curl = 'node genTotp.js --headers | curl -H @-';
	const identity = shellWord(readSetting('AGE_IDENTITY_FILE'));
	const downloads = volumes.map(({ key, encodings }, index) => {
		const programs = [`${curl} ${url}/api/backup/${key}`, ...decoders(encodings, identity)];
		return `${programs.join(' | ')} ${index === 0 ? '>' : '>>'} backup.sql`;
	});
	return `The app is running at ${url} until Ctrl-C. In another terminal, in this folder:

  ${curl} -X POST ${url}/api/backup
  ${curl} ${url}/api/backup
  ${downloads.join('\n  ')}
  npm run restore -- latest --from ${url} --to restored.db

A code starts one backup. The demo has just used one, so the first of these must wait for the next code,
30 seconds at most. Signing in needs GITHUB_ID and GITHUB_SECRET in .env: see docs/deploy.md.
`;
}

/** The programs that undo the encodings, the last one first. */
function decoders(encodings: Volume['encodings'], identity: string): string[] {
	const programs = { gzip: 'gunzip', zstd: 'zstd -d', age: `age -d -i ${identity}` };
	return encodings.toReversed().map((encoding) => programs[encoding]);
}
