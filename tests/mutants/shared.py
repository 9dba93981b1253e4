"""Mutants that the workers of a cluster run: each worker runs groups of them in a copy of its own.

The session makes the mutants and the map of the tests once, and keeps the answer of each group as it comes. A
group whose worker is lost is run again by another worker. No worker runs mutants with other tests than the
session's: it compares the source first.
"""

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from attrs import frozen

from failure_modes.checker.support import temporary
from failure_modes.checker.support.cluster import ClusterUnusable
from failure_modes.checker.support.source import source_digest
from tests.mutants.copies import MAP, Codes, codes, make, run
from tests.mutants.plans import plan_of

GROUP_MAX = 50
"""The mutants of a group: mutmut runs the tests that reach them once before them, to see that they pass."""


@frozen(kw_only=True)
class Group:
    """Mutants for one worker, and what it must know to run them."""

    plan: str
    names: tuple[str, ...]
    map_of_tests: str
    tests_digest: str
    until: float
    """The time at which the worker stops mutmut. Clocks of machines may differ by seconds."""


def groups(
    folder: Path, plan: str, names: tuple[str, ...], *, until: float, size: int = GROUP_MAX
) -> Iterator[Group]:
    """The mutants in groups, so that those of a module are together."""
    for start in range(0, len(names), size):
        yield Group(
            plan=plan,
            names=names[start : start + size],
            map_of_tests=(folder / MAP).read_text(encoding="utf-8"),
            tests_digest=_tests_digest(),
            until=until,
        )


def run_group(group: Group) -> Codes:
    """Run the mutants of a group in the copy of this process. Raises ClusterUnusable and MutmutFailed."""
    if group.tests_digest != _tests_digest():
        raise ClusterUnusable("a worker has other tests than this process; install the same on both")
    folder = _copy(group.plan)
    (folder / MAP).write_text(group.map_of_tests, encoding="utf-8")
    run(folder, group.names, until=group.until)
    known = codes(folder)
    return {name: known.get(name) for name in group.names}


@cache
def _copy(plan: str) -> Path:
    """The copy of this process; it is removed when the process ends."""
    folder = temporary.create(Path(tempfile.gettempdir())) / plan
    (folder / MAP.parent).mkdir(parents=True)
    make(folder, plan_of(plan))
    return folder


def _tests_digest() -> str:
    return source_digest(("tests",))
