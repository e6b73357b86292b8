-- Until now session tokens were stored as they are, and whoever read a backup was signed in by them.
-- Now only their hashes are stored (src/accounts/adapter.ts), so everybody signs in once more.

DELETE FROM sessions;
