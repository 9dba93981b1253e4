"""Real processes: the same schedules, chaos, and what a loss of power leaves on a disk."""
