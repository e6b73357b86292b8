// Checks the settings that the workflows need, BACKUP_URL and TOTP_SECRET: an annotation for each
// that is missing or wrong, and exit code 1. Needs Node 20 and nothing installed.
import { ORIGIN } from './origin.js';
import { annotate } from './workflow.js';

const { BACKUP_URL: url, TOTP_SECRET: secret } = process.env;

if (!secret) {
	problem("The secret TOTP_SECRET is missing. Set it to the app's own: gh secret set TOTP_SECRET");
}
if (!url) {
	problem(
		"The variable BACKUP_URL is missing. Set it to the app's origin: gh variable set BACKUP_URL --body https://app.example.com",
	);
} else if (!ORIGIN.test(url)) {
	problem(
		'The variable BACKUP_URL is no https origin. It has to look like https://app.example.com',
	);
}

/** @param {string} message */
function problem(message) {
	annotate('error', 'Backups are not set up', message);
	process.exitCode = 1;
}
