"""FM_013: recovery reads what to abort in one transaction, and aborts it in another."""
