"""Chaos: real processes of the queue on one database, killed and stopped at random moments.

Producers, workers and a reconciler run on the system's clock. They receive SIGKILL, SIGSTOP and SIGCONT at
any instruction. On a server, connections are cut, and the server crashes and recovers. After the faults the
remaining jobs are done without faults. Then an audit compares the rows with the logs of the processes.
"""

import json
import math
import random
import shutil
from collections import Counter
from collections.abc import Callable

from attrs import AttrsInstance, asdict

from failure_modes.checker.real.chaos_audit import AuditReport, audit_report
from failure_modes.checker.real.running_processes import Plan, RunningProcesses
from failure_modes.checker.subject.queue_subject import drop_constraints_of
from system.clock import Stopwatch, SystemClock
from system.store import Store

_CLOCK = SystemClock()
EVERY_SECONDS = 0.3
"""The mean time between two faults."""

STOPS, CUTS = 0.4, 0.25
"""The probability that a fault stops a process and does not kill it; that a connection is cut besides."""

STALLS = 0.06
"""The probability that a stop is a stall: it begins in a transaction and outlasts the idle timeout."""

_LOOKS, _LOOK_SECONDS = 12, 0.12
"""The number of attempts to stop a process inside a transaction, and the time of each."""

RESTART_SECONDS = 60.0
"""The server is restarted once in each period of this length, at a random moment."""

SETTLE_SECONDS = 180.0
"""The time limit for the remaining jobs, after the faults."""


class _FaultSchedule:
    """The faults, drawn from the seed, and how often each kind was injected."""

    def __init__(self, plan: Plan, processes: RunningProcesses) -> None:
        self._plan, self._location, self._processes = plan, plan.location, processes
        self._random = random.Random(plan.seed)
        self._restarts = self._moments() if plan.location.restart else []
        kinds = ("kills", "stops", "cuts", "restarts", "stalls")
        self.injected = Counter(dict.fromkeys(kinds if plan.location.cut else kinds[:2], 0))

    def _moments(self) -> list[float]:
        """The times at which to restart the server: one in each period."""
        count = math.ceil(self._plan.seconds / RESTART_SECONDS)
        ends = [min((number + 1) * RESTART_SECONDS, self._plan.seconds) for number in range(count)]
        return [self._random.uniform(number * RESTART_SECONDS, end) for number, end in enumerate(ends)]

    @property
    def seconds_left(self) -> float:
        """The time until the faults end."""
        return self._plan.seconds - self._processes.watch.seconds

    def inject_all(self, say: Callable[[str], None]) -> None:
        """Inject faults until the time is over and each possible kind has happened."""
        while self.seconds_left > 0 or self._restarts or (not self._each_kind() and not self._processes.died):
            _CLOCK.sleep(self._random.uniform(0, 2 * EVERY_SECONDS))
            self._processes.go_on()
            self._fault_process()
            self._fault_location()
            say(f"{description(self.injected)}, {max(0.0, self.seconds_left):.0f} s to go")

    def _each_kind(self) -> bool:
        possible = ("kills", "stops", *(("cuts",) * (self._location.cut is not None)))
        return all(self.injected[kind] for kind in possible)

    def _fault_process(self) -> None:
        chance, processes = self._random, self._processes
        name = chance.choice([one for one in processes.names if one != processes.stalled])
        if chance.random() < STOPS and name not in processes.stopped:
            if chance.random() < STALLS and self._stall(name):
                self.injected["stalls"] += 1
            else:
                processes.stop(name, chance.uniform(0, 2.5 * self._plan.lease_seconds))
            self.injected["stops"] += 1
        else:
            processes.kill(name)
            processes.start(name)
            self.injected["kills"] += 1

    def _stall(self, name: str) -> bool:
        """Stop a process inside a transaction, until the server has ended that. False if it was in none."""
        location, processes = self._location, self._processes
        seconds = self._random.uniform(1.1, 1.5) * location.idle_seconds
        if (
            location.idle is None
            or processes.stalled is not None
            or self.seconds_left < seconds
            or location.idle()
        ):
            return False
        for _ in range(_LOOKS):
            processes.stop(name, seconds)
            _CLOCK.sleep(_LOOK_SECONDS)
            if location.idle():
                processes.stalled = name
                return True
            processes.stopped[name] = 0
            processes.go_on()
            _CLOCK.sleep(self._random.uniform(0, _LOOK_SECONDS / 4))
        return False

    def _fault_location(self) -> None:
        location, chance = self._location, self._random
        if location.cut is not None and self._processes.stalled is None and chance.random() < CUTS:
            self.injected["cuts"] += location.cut(chance.random())
        if (
            location.restart is not None
            and self._restarts
            and self._restarts[0] <= self._processes.watch.seconds
        ):
            del self._restarts[0]
            location.restart()
            self.injected["restarts"] += 1


def description(injected: Counter[str]) -> str:
    """The number of faults of each kind, in words."""
    return ", ".join([f"{count:,} {kind}" for kind, count in injected.items()])


def run(plan: Plan, say: Callable[[str], None]) -> AuditReport:
    """Run the processes, inject faults, let the remaining jobs end, and audit. `say` gets the progress."""
    plan.location.database.create()
    if not plan.constraints:
        with plan.location.open() as store:
            drop_constraints_of(store)
    processes = RunningProcesses(plan)
    faults = _FaultSchedule(plan, processes)
    try:
        for name in processes.names:
            processes.start(name)
        faults.inject_all(say)
        processes.go_on(all_=True)
        for name in processes.names:
            if name.startswith("producer"):
                processes.kill(name)
        with plan.location.open() as store:
            settled = _settle(store, say)
    finally:
        processes.end()
    settled = settled and _settle_hidden_commits(plan, processes, say)
    with plan.location.open() as store:
        report = audit_report(store, plan.folder, faults.injected, died=processes.died, settled=settled)
        if not report.clean:
            _keep(store, plan)
    return report


def _settle_hidden_commits(plan: Plan, processes: RunningProcesses, say: Callable[[str], None]) -> bool:
    """Do the jobs that became visible only after all processes ended. False if that takes too long.

    A process may be killed after it wrote a commit to SQLite's log, and before it told the others. A
    connection that is open then never sees that commit; a connection that is opened later does. No caller was
    answered.
    """
    with plan.location.open() as store:
        counts = store.counts()
        if counts.pending == counts.running == 0:
            return True
        try:
            for name in processes.names:
                if not name.startswith("producer"):
                    processes.start(name)
            return _settle(store, say)
        finally:
            processes.end()


def _settle(store: Store, say: Callable[[str], None]) -> bool:
    """Wait until no job is pending or running. False if that takes too long.

    Two looks in a row must agree: a server may still finish a statement of a process that was killed.
    """
    watch = Stopwatch()
    quiet = 0
    while watch.seconds < SETTLE_SECONDS:
        counts = store.counts()
        quiet = quiet + 1 if counts.pending == counts.running == 0 else 0
        if quiet == 2:
            return True
        say(f"no more faults; {counts.pending} jobs are pending and {counts.running} are running")
        _CLOCK.sleep(0.5)
    return False


def _keep(store: Store, plan: Plan) -> None:
    """Save the rows beside the logs: the server may have ended when a reader wants them."""
    tables: dict[str, tuple[AttrsInstance, ...]] = {
        "jobs": store.jobs(),
        "executions": store.executions(),
        "effects": store.effects(),
        "audit": tuple(store.audit()),
    }
    for name, rows in tables.items():
        text = "".join([json.dumps(asdict(row)) + "\n" for row in rows])
        (plan.folder / f"{name}.jsonl").write_text(text, encoding="ascii")
    if plan.location.log is not None:
        shutil.copy(plan.location.log, plan.folder / "server.txt")
