"""FM_007: whether a job is open is written beside its executions, and the two part."""
