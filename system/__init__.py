"""A small job queue on SQLite: at least once delivery, effect at most once."""
