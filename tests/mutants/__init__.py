"""Mutation testing: mutmut changes the code in small ways, and a test has to fail for each change."""
