"""FM_009: the candidate is read in one transaction and leased in another, by two workers."""
