"""What is on the disk: every file operation of SQLite seen, and what a loss of power would leave of them."""
