"""A PostgreSQL server for tests and the checker, without any set-up by the user."""
