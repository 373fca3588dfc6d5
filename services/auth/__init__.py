"""Who may come in, and as what: users, roles, sessions, and the keys that sign access tokens."""
