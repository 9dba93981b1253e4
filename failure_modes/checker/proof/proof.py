"""What is to be proved, and how far a proof has come: the values that its processes exchange."""

from attrs import asdict, field, frozen, validators

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, StoreKind
from failure_modes.checker.experiment.target import Target


@frozen(kw_only=True)
class Reductions:
    """What a proof need not try. Each has a switch, and none changes what is found or how short it is."""

    symmetry: bool = True
    """Workers are interchangeable."""
    sleep: bool | None = None
    """Independent actions are tried in one order only. None: at granularity `statement`, where it pays."""
    answers: bool = True
    """A process remembers only the answer of an operation of the queue that has returned."""
    memory: bool = True
    """A step is not taken again where it was taken in a state with the same store, time and process."""
    rows: bool = True
    """A step is not taken again on the real system where the rows that it reads are the same. Needs `memory`.

    At granularity `transaction` on SQLite, and where neither power nor a commit can be lost.
    """
    rows_checked: int | None = None
    """Of the steps that `rows` spares, so many are taken all the same at first. None: the usual number."""


@frozen(kw_only=True)
class Proof:
    """The system to explore, its scope and bounds, and the target; without a target nothing may break."""

    scope: Scope
    bounds: Bounds
    fault: Fault
    target: Target | None = None
    reductions: Reductions = field(factory=Reductions)
    depth_max: int | None = field(default=None, validator=validators.optional(validators.ge(1)))

    @property
    def sleeps(self) -> bool:
        """True if independent actions are tried in one order only.

        False where the future depends on something that is no row, since a footprint holds rows only: under
        limits (recent retries and failures are counted), where power may be lost (the disk has its own
        state), where the store may be set back (each commit is remembered), with second threads (they share
        memory), and on PostgreSQL (each row has its own lock).
        """
        scope, settings = self.scope, self.scope.settings
        if scope.power_loss or scope.rollback or scope.threads or scope.store is not StoreKind.SQLITE:
            return False
        if settings.retries_max is not None or settings.failures_max is not None:
            return False
        exact = self.scope.granularity is Granularity.STATEMENT
        return exact if self.reductions.sleep is None else self.reductions.sleep


@frozen(kw_only=True)
class Broken:
    """A violation: the numbers of its actions in the alphabet, and what was found."""

    trace: bytes
    finding: Finding


@frozen(kw_only=True)
class Counts:
    """How far a shard has come; the sum over all shards is how far the proof has come."""

    states: int = 0
    transitions: int = 0
    real_steps: int = 0
    frontier: int = 0
    endings: int = 0
    off_target: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{name: getattr(self, name) + value for name, value in asdict(other).items()})
