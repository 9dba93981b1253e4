"""FM_004: a worker dies with a job in hand, and nobody ever takes it from it."""
