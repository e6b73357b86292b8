import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { operate, projectFolder, removeFolder } from '../../../tests/operator.ts';

test('what a database holds goes through no proxy', async () => {
	const folder = projectFolder();
	try {
		writeFileSync(join(folder, 'mine.sql'), 'CREATE TABLE mine (a); INSERT INTO mine VALUES (7);');
		// Node's own agent obeys these: https://nodejs.org/api/cli.html#node_use_env_proxy1
		const env = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: 'http://127.0.0.1:9', NO_PROXY: '' };
		const ended = await operate(folder, 'restore', ['mine.sql', '--to', 'local:state'], { env });
		expect(ended).toMatchObject({ code: 0 });
	} finally {
		removeFolder(folder);
	}
});
