"""FM_005: a job is acknowledged before the work is done, and a crash loses it."""
