"""What a failure mode is; and the catalogue of them all, found by their folders, never imported by name."""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from traceback import extract_tb
from typing import cast

from attrs import asdict, evolve, field, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Fault, Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.experiment.target import Target
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
class Expected:
    """The numbers of a failure mode. Its tests hold it to them, and `prove` says them."""

    shortest: int
    """The actions of the shortest trace that breaks the invariant."""
    states: int
    """The states of the right system in the same scope and bounds; nothing breaks in any of them."""
    must_reach: tuple[str, ...]
    """The `sometimes` properties that a search of the right system has to meet, or it shows nothing."""
    examples: int = 500
    """How many examples that search tries, unless asked."""


@frozen(kw_only=True)
class AlsoBreaks:
    """Another invariant that the same failure mode breaks. A field that is None is as in the failure mode."""

    breaks: str
    tolerates: tuple[str, ...] = ()
    """The invariants that may break on the way to it."""
    expected: Expected
    fault: Fault | None = None
    scope: Scope | None = None
    strategy: Strategy | None = None
    bounds: Bounds | None = None
    control: Fault | None = None
    control_note: str | None = None


@frozen(kw_only=True)
class FailureMode:
    """What a `scenario.py` says: which invariant breaks, why, and how to look for the break.

    `fault` puts the fault into a right queue. `scope` and `strategy` are those of its searches, `scope` and
    `bounds` those of its proofs, and `expected` has the numbers that must come of them.
    """

    title: str
    breaks: str
    """The invariant that breaks."""
    trigger: str
    policy: str
    """The policy that prevents it, in the words of the documents."""
    fault: Fault
    scope: Scope = field(factory=Scope)
    strategy: Strategy
    bounds: Bounds
    expected: Expected
    also_breaks: tuple[AlsoBreaks, ...] = ()
    tolerates: tuple[str, ...] = ()
    """The invariants that may break on the way to the first."""
    control: Fault = guarded
    """The same system without the fault."""
    control_note: str = ""
    """What the control lacks, in words, if it is not the guarded system."""
    symmetric: bool = True
    """Whether the fault makes no difference between workers."""
    not_on: Mapping[StoreKind, str] = field(factory=dict)
    """The stores on which it does not happen, and why."""
    folder: Path = FOLDER

    def __attrs_post_init__(self) -> None:
        if len(set(self.invariants)) < len(self.invariants):
            raise ValueError(f"it breaks {' and '.join(self.invariants)}: each invariant is said once")
        for one in self.each:
            _check(one)

    @property
    def id(self) -> str:
        """FM_001 and so on: its folder's name begins with it."""
        return self.folder.name[:6]

    def on(self, store: StoreKind) -> "FailureMode":
        """The same on that store."""
        also = [evolve(one, scope=one.scope and evolve(one.scope, store=store)) for one in self.also_breaks]
        return evolve(self, scope=evolve(self.scope, store=store), also_breaks=tuple(also))

    @property
    def target(self) -> Target:
        """The target of its search."""
        return Target(self.breaks, self.tolerates)

    @property
    def each(self) -> tuple["FailureMode", ...]:
        """Itself, and for each of what else it breaks the same with that in the first one's place."""
        return (self, *[self._as(also) for also in self.also_breaks])

    @property
    def invariants(self) -> tuple[str, ...]:
        """All that it breaks, the first one first."""
        return (self.breaks, *[also.breaks for also in self.also_breaks])

    def breaking(self, invariant: str) -> "FailureMode":
        """The same with that invariant as the first; as the scenario says, where it says anything of it."""
        for one in self.each:
            if one.breaks == invariant:
                return one
        return evolve(self, breaks=invariant, tolerates=(), also_breaks=())

    def _as(self, also: AlsoBreaks) -> "FailureMode":
        said = {name: value for name, value in asdict(also, recurse=False).items() if value is not None}
        return evolve(self, also_breaks=(), **said)

    @property
    def has_fault(self) -> bool:
        """Whether the fault changes anything: that of the template does not."""
        queue = Queue(store=cast(Store, None))
        try:
            return self.fault(queue) != queue
        except TypeError:  # it asks for more of the store than that there is one
            return True


def _check(mode: FailureMode) -> None:
    """Refuse a target, or a search, that makes no sense. Raises ValueError."""
    Target(mode.breaks, mode.tolerates)
    if "PowerLoss" in dict(mode.strategy.weights) and not mode.scope.power_loss:
        raise ValueError("PowerLoss has a weight, and the scope is not Scope(power_loss=True)")
    if mode.strategy.tick_seconds != mode.bounds.tick_seconds:
        raise ValueError(
            f"tick_seconds is {mode.strategy.tick_seconds} in the strategy, and {mode.bounds.tick_seconds} "
            "in the bounds: the proof would not try what the search draws"
        )


def catalogue() -> tuple[FailureMode, ...]:
    """Every failure mode, by number."""
    return tuple([_load(folder) for folder in _folders()])


def _folders() -> tuple[Path, ...]:
    return tuple([folder for folder in sorted(FOLDER.iterdir()) if PATTERN.fullmatch(folder.name)])


def failure_mode(wanted: str) -> FailureMode:
    """The failure mode of that id, number or folder name: FM_001, fm1, 1. Raises UnknownFailureMode."""
    number = re.fullmatch(r"(?:fm_?)?([0-9]{1,3})(?:_[a-z0-9_]+)?", wanted.strip(), re.IGNORECASE)
    folders = _folders()
    for folder in folders:  # the scenario of no other one is imported
        if number and int(number.group(1)) == int(folder.name[3:6]):
            return _load(folder)
    raise UnknownFailureMode(
        f"there is no failure mode {wanted[:40]!r}; known are {', '.join([one.name[:6] for one in folders])}"
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
    return evolve(mode, folder=folder)
