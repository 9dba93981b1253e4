"""The failure mode as a value, and the catalogue of all failure modes.

The catalogue finds them by their folders. No module imports a failure mode by name.
"""

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
    """No failure mode has that name."""


class NotACheckout(CallerError):
    """The command would change the project's own files, and they are those of an installed package."""


class BadScenario(ScenarioError):
    """A `scenario.py` cannot be used. The message has its path, the line and the reason."""


@frozen(kw_only=True)
class Expected:
    """The expected numbers of a failure mode. Its tests and the command `prove` check them."""

    shortest: int
    """The number of actions of the shortest trace that breaks the invariant."""
    states: int
    """The number of reachable states of the control, in the same scope and bounds; all of them hold."""
    must_reach: tuple[str, ...]
    """The `sometimes` properties that a search of the control must reach. Otherwise it shows nothing."""
    examples: int = 500
    """The default number of examples of that search."""


@frozen(kw_only=True)
class AlsoBreaks:
    """Another invariant that the failure mode breaks. A field that is None is as in the failure mode."""

    breaks: str
    tolerates: tuple[str, ...] = ()
    """The invariants that may break earlier in the same run."""
    expected: Expected
    fault: Fault | None = None
    scope: Scope | None = None
    strategy: Strategy | None = None
    bounds: Bounds | None = None
    control: Fault | None = None
    control_note: str | None = None


@frozen(kw_only=True)
class FailureMode:
    """The content of a `scenario.py`: which invariant breaks, why, and how to look for the break.

    `fault` puts the fault into a guarded queue. The searches use `scope` and `strategy`; the proofs use
    `scope` and `bounds`. `expected` has the numbers that both must give.
    """

    title: str
    breaks: str
    """The invariant that breaks."""
    trigger: str
    policy: str
    """The name of the policy that prevents it, as the documents write it."""
    fault: Fault
    scope: Scope = field(factory=Scope)
    strategy: Strategy
    bounds: Bounds
    expected: Expected
    also_breaks: tuple[AlsoBreaks, ...] = ()
    tolerates: tuple[str, ...] = ()
    """The invariants that may break earlier in the same run."""
    control: Fault = guarded
    """The same system without the fault."""
    control_note: str = ""
    """A description of the policies that the control lacks; empty if the control is the guarded system."""
    symmetric: bool = True
    """True if the fault treats all workers alike."""
    not_on: Mapping[StoreKind, str] = field(factory=dict)
    """The stores on which it cannot happen, each with the reason."""
    folder: Path = FOLDER

    def __attrs_post_init__(self) -> None:
        if len(set(self.invariants)) < len(self.invariants):
            raise ValueError(f"it breaks {' and '.join(self.invariants)}: an invariant is listed twice")
        for mode in self.each:
            _check(mode)

    @property
    def id(self) -> str:
        """The id, such as FM_001: the first six characters of the name of its folder."""
        return self.folder.name[:6]

    def on(self, store: StoreKind) -> "FailureMode":
        """The same failure mode, run on that store."""
        others = [
            evolve(other, scope=other.scope and evolve(other.scope, store=store))
            for other in self.also_breaks
        ]
        return evolve(self, scope=evolve(self.scope, store=store), also_breaks=tuple(others))

    @property
    def target(self) -> Target:
        """The target of its search."""
        return Target(self.breaks, self.tolerates)

    @property
    def each(self) -> tuple["FailureMode", ...]:
        """The failure mode, and a copy of it for each entry of `also_breaks`, with that entry as target."""
        return (self, *[self._as(also) for also in self.also_breaks])

    @property
    def invariants(self) -> tuple[str, ...]:
        """Every invariant that it breaks, the main one first."""
        return (self.breaks, *[also.breaks for also in self.also_breaks])

    def breaking(self, invariant: str) -> "FailureMode":
        """The failure mode with that invariant as its target.

        The scenario's own entry for the invariant is used if there is one.
        """
        for mode in self.each:
            if mode.breaks == invariant:
                return mode
        return evolve(self, breaks=invariant, tolerates=(), also_breaks=())

    def _as(self, also: AlsoBreaks) -> "FailureMode":
        changes = {name: value for name, value in asdict(also, recurse=False).items() if value is not None}
        return evolve(self, also_breaks=(), **changes)

    @property
    def has_fault(self) -> bool:
        """True if the fault changes the queue. The fault of the template changes nothing."""
        queue = Queue(store=cast(Store, None))
        try:
            return self.fault(queue) != queue
        except TypeError:  # the fault uses the store, and there is none here
            return True


def _check(mode: FailureMode) -> None:
    """Reject a target or a strategy that contradicts the rest of the scenario. Raises ValueError."""
    Target(mode.breaks, mode.tolerates)
    if "PowerLoss" in dict(mode.strategy.weights) and not mode.scope.power_loss:
        raise ValueError("PowerLoss has a weight, and the scope is not Scope(power_loss=True)")


def require_checkout() -> None:
    """Raises NotACheckout if the failure modes belong to an installed package: nothing is written there."""
    root = Path(__file__).parents[3]
    if not (root / "pyproject.toml").exists():
        raise NotACheckout(
            f"this command writes to the project's own files, and {root} is an installed package; "
            "run the command in a checkout of the project"
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
    for folder in folders:  # only the scenario of this failure mode is imported
        if number and int(number.group(1)) == int(folder.name[3:6]):
            return _load(folder)
    raise UnknownFailureMode(
        f"there is no failure mode {wanted[:40]!r}; known are "
        f"{', '.join([folder.name[:6] for folder in folders])}"
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
