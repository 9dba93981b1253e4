"""Where a virtual process pauses: its connection reports each statement here.

A process pauses in `pause` and nowhere else. Each report goes into the log of the process, from which it is
restored, and into the records of its step and of its transaction.
"""

from collections.abc import Callable
from typing import NoReturn

from failure_modes.checker.experiment.granularity import Granularity
from failure_modes.checker.simulation.content import unexplorable
from failure_modes.checker.simulation.host import Host
from failure_modes.checker.simulation.process_log import ProcessLog
from failure_modes.checker.simulation.process_snapshot import Intent, ProcessSnapshot, SkipLockedRead
from failure_modes.checker.simulation.recording import StepRecord, TransactionRecord
from failure_modes.checker.simulation.stepping import Crashed, PausePoint, StatementResult


class ProcessBoundaries:
    """The boundaries of one virtual process, and the records of what happens between them."""

    def __init__(self, world: Host, name: str, refuse: Callable[[BaseException], NoReturn]) -> None:
        """`refuse` stops the process with an error: no later result of it can be trusted."""
        self.name = name
        self.refuse = refuse
        self.dead = False
        self.at = PausePoint.IDLE
        self.blocked_since: int | None = None
        """The world's count of lock releases when the process was blocked; None if it is not blocked."""
        self.log = ProcessLog(name, refuse)
        self.transaction = TransactionRecord()
        self.step = StepRecord()
        self._debugger: Callable[[], bool] | None = None
        self._world = world
        self._every_statement = world.granularity is Granularity.STATEMENT
        self._layout = world.subject.layout if world.restorable else None
        self._intent: Intent | None = None

    # The world's commands.

    def begin_step(self, intent: Intent) -> None:
        """Begin a step: the pause that ends now returns this intent."""
        self._intent = intent
        self.blocked_since = None
        self.step.begin()

    def die(self) -> None:
        """From now on raise Crashed wherever the process would pause or run a statement."""
        self.dead = True

    def reset(self) -> None:
        """Restore the state from before the first start."""
        self.dead, self.at, self.blocked_since = False, PausePoint.IDLE, None
        self.transaction.restore(None)
        self.log.clear()

    def restore(self, snapshot: ProcessSnapshot) -> None:
        """Restore the boundary and the log of a snapshot. The next step replays the log to the program."""
        self.at = snapshot.at
        self.transaction.restore(snapshot.pending, snapshot.due_answer)
        self.log.restore(snapshot.log)

    def wait(self, *, waits: bool) -> None:
        """Set whether the process waits for a lock."""
        self.blocked_since = self._world.lock_releases if waits else None

    def report(self, *, at: PausePoint, read_at: int | None) -> None:
        """Take over what a real process says of its boundary and of the time that it read."""
        self.at = at
        self.transaction.report(read_at)

    def debug(self, debugger: Callable[[], bool]) -> None:
        """Call this where the process next moves on, and again until it returns True."""
        self._debugger = debugger

    # Reports of the program and of its connection.

    def pause(self, at: PausePoint) -> Intent:
        """Pause until the world resumes the process. Returns the intent. Raises Crashed if it dies here."""
        if self.dead:
            raise Crashed
        intent = self.log.intent(at)
        if intent is None:
            self.at = at
            self._world.hub.switch()
            self._debug()
            intent = self._intent
            assert intent is not None, "a process is resumed with an intent"
            self.log.append(intent)
        return intent

    def reached(self, at: PausePoint, statement: str) -> None:
        """Pause here if this is a boundary at the granularity of the world."""
        if self._every_statement or (at is PausePoint.BEGIN and not self.transaction.expected):
            self.pause(at)
        if at is not PausePoint.COMMITTED:
            self._debug()
            self.step.reach(statement)

    def _debug(self) -> None:
        if self._debugger is not None and self._debugger():
            self._debugger = None

    @property
    def loses_reply(self) -> bool:
        """True if the reply to the next COMMIT is lost."""
        return self.transaction.loses_reply

    def record(self, ran: StatementResult) -> None:
        """Write the result of a statement to the log."""
        if self._layout is not None and (error := unexplorable(ran, self._layout)) is not None:
            self.refuse(error)
        self.step.run(ran)
        self.log.append(ran)

    def read_time(self, at: int) -> None:
        """Record that a statement read the time of the server."""
        self.step.read()
        self.transaction.read(at)

    def blocked(self, statement: str, *, within: bool = False) -> None:
        """Pause until another process releases a lock. The log does not keep the blocked attempt.

        `within`: it waits for no other process. It pauses within a read with SKIP LOCKED, which has its
        snapshot and has locked no row.
        """
        self.log.drop_last()
        if within:
            self.step.pause_within()
        else:
            self.blocked_since = self._world.lock_releases
        self.pause(self.at)
        self.step.reach(statement)

    def began(self) -> None:
        """Record that a transaction began."""
        self.transaction.begin()

    def ended(self, *, committed: bool, changed: bool, read_only: bool) -> None:
        """Record that the transaction ended, and released its locks."""
        self.step.end(committed=committed, changed=changed)
        self._world.release_locks()
        if not read_only:
            self._world.content.note_commit()

    def failed(self) -> None:
        """Record that the transaction failed: its locks are released before its rollback."""
        self._world.release_locks()

    def skips_locked(self, unlocked: tuple[int, ...]) -> None:
        """Record a read with SKIP LOCKED, and the ids of the rows that no transaction locks at that time."""
        self.step.skip_locked(SkipLockedRead(unlocked))
