"""The disk: each file operation of SQLite is watched, so that the result of a power loss is known."""
