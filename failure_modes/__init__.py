"""The failure modes, one folder each, and the checker that finds, shrinks, proves and keeps them."""
