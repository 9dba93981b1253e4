"""What the tests of a failure mode call: the break found and shortest, the fix held, the danger met."""

from failure_modes.checker.catalogue import FailureMode, failure_mode
from failure_modes.checker.explorer import Proof
from failure_modes.checker.machine import Result, Search, run
from failure_modes.checker.proving import Answer
from failure_modes.checker.proving import prove as explore_all
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


def prove_broken(mode_id: str) -> Answer:
    """Every reachable state of the broken system, to the first that breaks. Raises AssertionError if none."""
    answer = explore_all(_proof(failure_mode(mode_id), broken=True))
    assert answer.complete, f"stopped by {answer.bound}"
    assert answer.finding is not None, f"{mode_id} breaks in no reachable state of its scope"
    return answer


def prove_guarded(mode_id: str) -> Answer:
    """Every reachable state of the guarded system, in the same scope. Raises AssertionError if one breaks."""
    answer = explore_all(_proof(failure_mode(mode_id), broken=False))
    assert answer.complete, f"stopped by {answer.bound}"
    assert answer.finding is None, f"the guarded system broke: {answer.finding}, by {answer.actions}"
    return answer


def _proof(mode: FailureMode, *, broken: bool) -> Proof:
    return Proof(
        scope=mode.strategy.scope,
        bounds=mode.bounds,
        swap=mode.swap if broken else guarded,
        hunted=mode.breaks if broken else None,
    )


def _search(mode: FailureMode, seed: int, *, broken: bool, examples: int = EXAMPLES_MAX) -> Search:
    return Search(
        strategy=mode.strategy,
        swap=mode.swap if broken else guarded,
        hunted=mode.breaks if broken else None,
        seed=seed,
        examples=examples,
    )
