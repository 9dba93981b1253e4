"""FM_018: two workers read the same job, each in one transaction that locks nothing, and both lease it."""
