"""The system under test, behind the port: our queue, its programs, and the reader of its rows."""
