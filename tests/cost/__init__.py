"""What a proof costs, by its scope: `nox -s cost`. Figures for people; nothing is asserted of them."""
