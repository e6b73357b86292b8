// Checks the settings that the workflows need: an annotation for each one that is missing or wrong, and
// exit code 1. With the argument `drill` it also checks what verifies the author of a backup.
// Runs before anything is installed: nothing here may import a package.
import { ORIGIN } from '../client/call.ts';
import { annotate } from '../terminal/annotate.ts';

/** In characters, as the app requires. */
const MIN_API_KEY_LENGTH = 32;

const {
	ACTIONS_ID_TOKEN_REQUEST_URL: tokens,
	BACKUP_API_KEY: apiKey,
	BACKUP_MAC_KEY: macKey,
	BACKUP_OIDC_AUDIENCE: audience,
	BACKUP_URL: url,
	TOTP_SECRET: secret,
} = process.env;
const isDrill = process.argv[2] === 'drill';

if (!secret && !audience) {
	problem(
		"The secret TOTP_SECRET is missing. Set it to the app's own: gh secret set TOTP_SECRET --env lifeboat",
	);
} else if (!secret && !macKey && isDrill) {
	problem(
		"A drill verifies who made the backup, and GitHub's tokens cannot do that. Set BACKUP_MAC_KEY to the app's own: gh secret set BACKUP_MAC_KEY --env lifeboat. If the app has none, set TOTP_SECRET.",
	);
}
if (!url) {
	problem(
		"The variable BACKUP_URL is missing. Set it to the app's origin: gh variable set BACKUP_URL --body https://app.example.com",
	);
} else if (!ORIGIN.test(url)) {
	problem(
		'The variable BACKUP_URL is not an https origin. It must look like https://app.example.com',
	);
}
if (audience && !ORIGIN.test(audience.trim())) {
	problem(
		"The variable BACKUP_OIDC_AUDIENCE is not an https origin. It must be the app's own, such as https://app.example.com",
	);
} else if (audience && !tokens) {
	problem(
		'BACKUP_OIDC_AUDIENCE is set, but this job may not request tokens. Give it the permission id-token: write, or remove the variable: gh variable delete BACKUP_OIDC_AUDIENCE',
	);
}
if (apiKey && apiKey.trim().length < MIN_API_KEY_LENGTH) {
	problem(
		`The secret BACKUP_API_KEY is too short: the app's own has at least ${MIN_API_KEY_LENGTH} characters. Set it to that: gh secret set BACKUP_API_KEY --env lifeboat`,
	);
}

function problem(message: string): void {
	annotate('error', 'Backups are not set up', message);
	process.exitCode = 1;
}
