"""FM_011: each worker judges leases by its own clock, and one that runs ahead takes live ones."""
