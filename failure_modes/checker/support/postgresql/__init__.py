"""A PostgreSQL server for tests and runs.

In it: found on the machine or brought by a package, and ended with its asker.
"""
