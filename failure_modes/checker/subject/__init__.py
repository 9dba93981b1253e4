"""What is under test, behind the port: our queue, its programs, and how its rows are read."""
