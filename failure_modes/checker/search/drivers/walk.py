"""A random walk over what can happen. It draws from Python's generator, and remembers no example."""

import random

from failure_modes.checker.search.examples import Examples
from failure_modes.checker.search.search_spec import SearchSpec


def drive(search: SearchSpec, examples: Examples) -> None:
    """Run the examples. All their draws come from the seed."""
    chance = random.Random(search.seed)
    for _ in range(search.examples):
        examples.run(chance.choice)
