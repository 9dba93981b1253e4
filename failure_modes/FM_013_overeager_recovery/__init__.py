"""FM_013: recovery reads what is under way in one transaction, and ends it by that in another."""
