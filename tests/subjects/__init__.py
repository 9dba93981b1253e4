"""Subjects that are not our queue: they show that the port of the simulation is one."""
