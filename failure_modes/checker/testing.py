"""What the tests of a failure mode call: the break found and shortest, the fix held and the danger met."""

from failure_modes.checker.catalogue import FailureMode, failure_mode
from failure_modes.checker.machine import Result, Search, run
from failure_modes.checker.scope import guarded
from failure_modes.checker.summary import unreached

EXAMPLES_MAX = 5_000


def find(mode_id: str, *, seed: int) -> Result:
    """Search the broken system. Raises AssertionError if nothing is found."""
    mode = failure_mode(mode_id)
    result = run(_search(mode, seed, broken=True))
    assert result.finding is not None, f"{mode.id} was not found in {EXAMPLES_MAX} examples, seed {seed}"
    return result


def prevent(mode_id: str, *, seed: int, examples: int) -> Result:
    """The same search against the guarded system. Raises AssertionError if it breaks, or proves nothing."""
    mode = failure_mode(mode_id)
    result = run(_search(mode, seed, broken=False, examples=examples))
    assert result.finding is None, f"the guarded system broke: {result.finding}, by {result.actions}"
    missing = unreached(mode.must_reach, result)
    assert not missing, f"never reached, so nothing is proved: {', '.join(missing)}"
    return result


def _search(mode: FailureMode, seed: int, *, broken: bool, examples: int = EXAMPLES_MAX) -> Search:
    return Search(
        strategy=mode.strategy,
        swap=mode.swap if broken else guarded,
        hunted=mode.breaks if broken else None,
        seed=seed,
        examples=examples,
    )
