"""Subjects other than our queue: they show that the simulation works for any queue."""
