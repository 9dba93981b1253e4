"""What things cost: `nox -s bench`. Figures for people; nothing is asserted, and no test reads them."""
