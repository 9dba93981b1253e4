"""The catalogue: every failure mode there is, found by its folder. Nobody imports one by name."""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from attrs import evolve, field, frozen

from failure_modes.checker.bounds import Bounds
from failure_modes.checker.scope import StoreKind, Swap
from failure_modes.checker.strategy import Strategy
from system.queue import Queue
from system.store import Store

FOLDER = Path(__file__).parent.parent
PATTERN = re.compile(r"(FM_\d{3})_([a-z0-9_]+)")


class UnknownFailureMode(Exception):
    """There is no failure mode of that name."""


@frozen(kw_only=True)
class FailureMode:
    """What a `scenario.py` says: which invariant breaks, why, and how to look for it."""

    title: str
    breaks: str
    """The invariant that breaks first."""
    trigger: str
    policy: str
    """The policy that prevents it, in the words of the documents."""
    swap: Swap
    """Puts the fault in."""
    strategy: Strategy
    bounds: Bounds
    """What may happen in its proof; the scope is the strategy's."""
    must_reach: tuple[str, ...]
    """What a guarded run has to meet, or it proves nothing."""
    shortest: int
    """The actions of the shortest trace that breaks it; its tests prove it."""
    states: int
    """The states of the guarded system in that scope; its tests prove that nothing breaks in them."""
    switches_off: str | None = None
    """The policy, by its name in `system.policies.Policies`, that the fault leaves out altogether."""
    symmetric: bool = True
    """Whether the fault makes no difference between workers."""
    prevent_examples: int = 500
    """How many examples its search tries on the guarded system, unless asked."""
    not_on: Mapping[StoreKind, str] = field(factory=dict)
    """The stores on which it does not happen, and why."""
    id: str = field(default="", kw_only=True)
    folder: Path = field(default=FOLDER, kw_only=True)

    def on(self, store: StoreKind) -> "FailureMode":
        """The same on that store."""
        return evolve(self, strategy=evolve(self.strategy, scope=evolve(self.strategy.scope, store=store)))

    @property
    def has_fault(self) -> bool:
        """Whether the swap changes anything: that of the template does not."""
        queue = Queue(store=cast(Store, None))
        try:
            return self.swap(queue) is not queue
        except TypeError:  # it asks for more of the store than that there is one
            return True


def catalogue() -> tuple[FailureMode, ...]:
    """Every failure mode, by number."""
    return tuple([_load(folder) for folder in sorted(FOLDER.iterdir()) if PATTERN.fullmatch(folder.name)])


def failure_mode(wanted: str) -> FailureMode:
    """The failure mode of that id, number or folder name: FM_001, fm1, 1. Raises UnknownFailureMode."""
    number = re.fullmatch(r"(?:fm_?)?([0-9]{1,3})(?:_[a-z0-9_]+)?", wanted.strip(), re.IGNORECASE)
    known = catalogue()
    for mode in known:
        if number and int(number.group(1)) == int(mode.id[3:]):
            return mode
    raise UnknownFailureMode(
        f"there is no failure mode {wanted[:40]!r}; known are {', '.join([mode.id for mode in known])}"
    )


def _load(folder: Path) -> FailureMode:
    module = importlib.import_module(f"failure_modes.{folder.name}.scenario")
    mode = module.FAILURE_MODE
    if not isinstance(mode, FailureMode):
        raise TypeError(f"{folder.name}/scenario.py: FAILURE_MODE is not a FailureMode")
    return evolve(mode, id=folder.name[:6], folder=folder)
