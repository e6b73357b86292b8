-- Session tokens used to be stored as they are, so anyone who could read a backup could sign in with
-- them. Now only their hashes are stored (src/accounts/adapter.ts), so everybody signs in once more.

DELETE FROM sessions;
