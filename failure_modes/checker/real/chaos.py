"""Chaos: real processes of the queue on one database, killed and stopped at random moments.

Producers, workers and a reconciler run on the system's clock. They receive SIGKILL, SIGSTOP and SIGCONT at
any instruction. On a server, connections are cut, and the server crashes and recovers. After the faults the
remaining jobs are done without faults. Then an audit compares the rows with the logs of the processes.
"""

import json
import math
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from attrs import AttrsInstance, asdict, frozen

from failure_modes.checker.real.chaos_audit import AuditReport, audit_report
from failure_modes.checker.real.chaos_process import ProcessConfiguration
from failure_modes.checker.real.database_location import DatabaseLocation
from failure_modes.checker.subject.queue_subject import drop_constraints_of
from failure_modes.checker.support.child_processes import popen
from system.clock import Stopwatch, SystemClock
from system.store import Store

PRODUCERS, WORKERS = 2, 3
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


@frozen(kw_only=True)
class Plan:
    """The parameters of a chaos run. `fault` is the module of a failure mode's scenario, or None."""

    folder: Path
    location: DatabaseLocation
    seconds: float
    seed: int
    lease_seconds: float = 1.0
    jobs_a_second: float = 120.0
    fault: str | None = None
    constraints: bool = True
    """True if the schema has its unique indexes, as in the scope of the fault."""


class _Processes:
    """The processes, by name."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._starts: Counter[str] = Counter()
        roles = {f"producer{n}": "producer" for n in range(1, PRODUCERS + 1)}
        roles |= {f"worker{n}": "worker" for n in range(1, WORKERS + 1)}
        self._roles = roles | {"reconciler": "reconciler"}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.stopped: dict[str, float] = {}
        """The time on the stopwatch at which each stopped process continues."""
        self.stalled: str | None = None
        """The process that is stopped in a transaction. No other fault happens to it meanwhile."""
        self.watch = Stopwatch()
        self.died: list[str] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all processes, in a fixed order."""
        return tuple(self._roles)

    def start(self, name: str) -> None:
        """Start a process. It reads its configuration from its input: other users can see a command line."""
        self._starts[name] += 1
        configuration = ProcessConfiguration(
            role=self._roles[name],
            name=name,
            folder=str(self._plan.folder),
            db=self._plan.location.db,
            seed=f"{self._plan.seed}:{name}:{self._starts[name]}",
            lease_seconds=self._plan.lease_seconds,
            jobs_a_second=self._plan.jobs_a_second,
            fault=self._plan.fault,
        )
        command = [sys.executable, "-m", "failure_modes.checker.real.chaos_process"]
        with Path(self._plan.folder, f"{name}.err").open("ab") as errors:
            process = self.running[name] = popen(command, stderr=errors)
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(asdict(configuration)).encode("ascii") + b"\n")
            process.stdin.flush()  # the input stays open: the process dies when it ends

    def kill(self, name: str) -> None:
        """Send SIGKILL, and wait until the process has ended."""
        process = self.running[name]
        if process.poll() is not None:
            self.died.append(f"{name} ended by itself, with exit code {process.returncode}")
        process.kill()
        process.wait()
        if process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()
        del self.running[name]
        self.stopped.pop(name, None)

    def end(self) -> None:
        """Kill every process that runs."""
        for name in list(self.running):
            self.kill(name)

    def stop(self, name: str, seconds: float) -> None:
        """Send SIGSTOP. The process continues after that time."""
        self.running[name].send_signal(signal.SIGSTOP)
        self.stopped[name] = self.watch.seconds + seconds

    def go_on(self, *, all_: bool = False) -> None:
        """Send SIGCONT to the processes whose time is over, or to all stopped processes."""
        for name, until in list(self.stopped.items()):
            if all_ or until <= self.watch.seconds:
                self.running[name].send_signal(signal.SIGCONT)
                del self.stopped[name]
        if self.stalled not in self.stopped:
            self.stalled = None


class _FaultSchedule:
    """The faults, drawn from the seed, and how often each kind was injected."""

    def __init__(self, plan: Plan, processes: _Processes) -> None:
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
    processes = _Processes(plan)
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


def _settle_hidden_commits(plan: Plan, processes: _Processes, say: Callable[[str], None]) -> bool:
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
