import type { Volume } from './backup.ts';

/** The commands to try while the app is running at `url`, for people. */
export function nextCommands(url: string, volumes: Volume[]): string {
	const curl = 'node genTotp.js --headers | curl -H @-';
	const lines = [
		`${curl} -X POST ${url}/api/backup`,
		`${curl} ${url}/api/backup`,
		...volumes.flatMap((volume, index) => downloadOf(volume, index, `${curl} ${url}`)),
		`npm run restore -- latest --from ${url} --to restored.db`,
	];
	return `The app is running at ${url} until Ctrl-C. In another terminal, in this folder:

  ${lines.join('\n  ')}

A code starts one backup. The demo has just used one, so the first of these must wait for the next code,
30 seconds at most. Signing in needs GITHUB_ID and GITHUB_SECRET in .env: see docs/deploy.md.
`;
}

/** None for an encrypted volume, whose slices are decrypted one by one (docs/restore.md). */
function downloadOf({ key, encodings }: Volume, index: number, call: string): string[] {
	if (encodings.includes('age')) return [];
	const programs = { gzip: ' | gunzip', zstd: ' | zstd -d', age: '' };
	const decoders = encodings.toReversed().map((encoding) => programs[encoding]);
	return [`${call}/api/backup/${key}${decoders.join('')} ${index === 0 ? '>' : '>>'} backup.sql`];
}
