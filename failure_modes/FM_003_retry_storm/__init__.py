"""FM_003 retry storm: a job that fails is retried at once, and nothing bounds how often."""
