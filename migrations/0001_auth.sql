-- The tables of @auth/d1-adapter 1.11.3 (its migrations.ts), with the foreign keys and unique indexes
-- that its queries rely on but its migrations lack.

CREATE TABLE users (
	id TEXT NOT NULL PRIMARY KEY,
	name TEXT,
	email TEXT,
	emailVerified DATETIME,
	image TEXT
);

-- For SQLite every NULL is different, so several people may have no e-mail address.
CREATE UNIQUE INDEX users_email ON users (email);

CREATE TABLE accounts (
	id TEXT NOT NULL PRIMARY KEY,
	userId TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	type TEXT NOT NULL,
	provider TEXT NOT NULL,
	providerAccountId TEXT NOT NULL,
	refresh_token TEXT,
	access_token TEXT,
	expires_at NUMBER,
	token_type TEXT,
	scope TEXT,
	id_token TEXT,
	session_state TEXT,
	oauth_token_secret TEXT,
	oauth_token TEXT
);

CREATE UNIQUE INDEX accounts_provider ON accounts (provider, providerAccountId);
CREATE INDEX accounts_user ON accounts (userId);

CREATE TABLE sessions (
	id TEXT NOT NULL,
	sessionToken TEXT NOT NULL PRIMARY KEY,
	userId TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	expires DATETIME NOT NULL
);

CREATE INDEX sessions_user ON sessions (userId);

CREATE TABLE verification_tokens (
	identifier TEXT NOT NULL,
	token TEXT NOT NULL PRIMARY KEY,
	expires DATETIME NOT NULL
);
