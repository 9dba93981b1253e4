"""The unrestricted machine on the guarded system: everything interleaves freely, and nothing may part."""

import pytest

from failure_modes.checker.experiment.scope import Granularity, Scope, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.oracle.sometimes import ANYWHERE, AT_STATEMENTS
from failure_modes.checker.search.search import Search, run

EXAMPLES = {Granularity.TRANSACTION: 2_000, Granularity.STATEMENT: 1_200}
"""A few minutes' worth would be better, and is what `nox -s guarded` runs."""


@pytest.mark.parametrize(
    ("granularity", "examples"),
    [
        (Granularity.TRANSACTION, 700),
        (Granularity.STATEMENT, 400),
        *[pytest.param(*more, marks=pytest.mark.slow) for more in EXAMPLES.items()],
    ],
)
def test_the_guarded_system_keeps_step_with_the_model(granularity: Granularity, examples: int) -> None:
    """No divergence and no violation, and each of the situations that could have caused one was met."""
    scope = Scope(granularity=granularity).with_each_tick()
    search = Search(scope=scope, strategy=UNRESTRICTED, fault=guarded, target=None, seed=7, examples=examples)
    result = run(search)
    assert result.finding is None, f"{result.finding} by {result.actions}"
    wanted = ANYWHERE + (AT_STATEMENTS if granularity is Granularity.STATEMENT else ())
    missing = [name for name in wanted if not result.statistics.sometimes[name]]
    assert not missing, f"never reached: {missing}"
