"""The catalogue: every failure mode there is, found by its folder. Nobody imports one by name."""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from traceback import extract_tb
from typing import cast

from attrs import evolve, field, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import StoreKind, Swap, guarded
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.experiment.target import Hunt
from failure_modes.checker.support.errors import CallerError, ScenarioError
from system.queue import Queue
from system.store import Store

FOLDER = Path(__file__).parents[2]
PATTERN = re.compile(r"(FM_\d{3})_([a-z0-9_]+)")


class UnknownFailureMode(CallerError):
    """There is no failure mode of that name."""


class BadScenario(ScenarioError):
    """A `scenario.py` cannot be used. The message says which, where, and why."""


@frozen(kw_only=True)
class Then:
    """What else a failure mode breaks. What is left out is as in the failure mode."""

    breaks: str
    past: tuple[str, ...] = ()
    """The invariants that may break on the way to it."""
    shortest: int
    strategy: Strategy | None = None
    bounds: Bounds | None = None
    must_reach: tuple[str, ...] | None = None
    states: int | None = None
    swap: Swap | None = None
    base: Swap | None = None
    """The same system with the fault put right."""
    beside: str = ""
    """What that lacks, in words, if it is not the guarded system."""


@frozen(kw_only=True)
class FailureMode:
    """What a `scenario.py` says: which invariant breaks, why, and how to look for it."""

    title: str
    breaks: str
    """The invariant that breaks first."""
    past: tuple[str, ...] = ()
    """The invariants that may break on the way to it."""
    then: tuple["Then", ...] = ()
    """What else it breaks."""
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
    base: Swap = guarded
    """The same system with the fault put right."""
    beside: str = ""
    """What that lacks, in words, if it is not the guarded system."""
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

    def __attrs_post_init__(self) -> None:
        for breaks, past in [(self.breaks, self.past), *[(then.breaks, then.past) for then in self.then]]:
            Hunt(breaks, past)
        if len(set(self.invariants)) < len(self.invariants):
            raise ValueError(f"it breaks {' and '.join(self.invariants)}: each invariant is said once")
        for strategy in [self.strategy, *[then.strategy for then in self.then if then.strategy]]:
            if "PowerLoss" in dict(strategy.weights) and not strategy.scope.power_loss:
                raise ValueError("PowerLoss has a weight, and the scope is not Scope(power_loss=True)")

    def on(self, store: StoreKind) -> "FailureMode":
        """The same on that store."""
        then = [evolve(one, strategy=one.strategy and one.strategy.on(store)) for one in self.then]
        return evolve(self, strategy=self.strategy.on(store), then=tuple(then))

    @property
    def hunt(self) -> Hunt:
        """What its search is after."""
        return Hunt(self.breaks, self.past)

    @property
    def each(self) -> tuple["FailureMode", ...]:
        """Itself, and for each of what else it breaks the same with that in the first one's place."""
        return (self, *[self._hunting(then) for then in self.then])

    @property
    def invariants(self) -> tuple[str, ...]:
        """All that it breaks, the first one first."""
        return (self.breaks, *[then.breaks for then in self.then])

    def breaking(self, invariant: str) -> "FailureMode":
        """The same as it breaks that invariant: as it says, or, if it does not, first of all."""
        for one in self.each:
            if one.breaks == invariant:
                return one
        return evolve(self, breaks=invariant, past=(), then=())

    def _hunting(self, then: "Then") -> "FailureMode":
        return evolve(
            self,
            breaks=then.breaks,
            past=then.past,
            then=(),
            shortest=then.shortest,
            strategy=then.strategy or self.strategy,
            bounds=then.bounds or self.bounds,
            must_reach=self.must_reach if then.must_reach is None else then.must_reach,
            states=then.states or self.states,
            swap=then.swap or self.swap,
            base=then.base or self.base,
            beside=then.beside or self.beside,
        )

    @property
    def has_fault(self) -> bool:
        """Whether the swap changes anything: that of the template does not."""
        queue = Queue(store=cast(Store, None))
        try:
            return self.swap(queue) != queue
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
    file = folder / "scenario.py"
    try:
        mode = importlib.import_module(f"failure_modes.{folder.name}.scenario").FAILURE_MODE
    except SyntaxError as error:
        raise BadScenario(f"{error.filename}:{error.lineno}: {error.msg}") from error
    except Exception as error:
        lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == str(file)]
        where = f"{file}:{lines[-1]}" if lines else str(file)
        raise BadScenario(f"{where}: {type(error).__name__}: {error}") from error
    if not isinstance(mode, FailureMode):
        raise BadScenario(f"{file}: FAILURE_MODE is not a FailureMode")
    return evolve(mode, id=folder.name[:6], folder=folder)
