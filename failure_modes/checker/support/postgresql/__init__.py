"""A PostgreSQL server for tests and runs.

The binaries are found on the machine or come with a package. The server ends with the process that uses it.
"""
