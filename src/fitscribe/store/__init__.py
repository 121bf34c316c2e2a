"""The embedded store: the protocol's REST handlers over SQLite and files."""
