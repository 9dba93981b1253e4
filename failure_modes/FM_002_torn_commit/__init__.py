"""FM_002: the effect and the record of it are two transactions, and a crash falls between."""
