"""Chaos on the real thing: processes of the queue on one database, killed and stopped at random moments.

Producers, workers and a reconciler run on the system's clock; SIGKILL, SIGSTOP and SIGCONT fall between any
two instructions of theirs. On a server connections are cut, and the server itself crashes and recovers. When
it is over, all that is left to do is done in peace, and the books are balanced: from the rows, and from what
the processes said themselves.
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
"""Time from one blow at a process to the next, on average."""

STOPS, CUTS = 0.4, 0.25
"""Of the blows at processes so many are stops, and so many have a cut of a connection beside them."""

STALLS = 0.06
"""So many of the stops fall into a transaction and outlast the time that a server leaves one alone for."""

_LOOKS, _LOOK_SECONDS = 12, 0.12
"""How often a process is looked at that is to be stopped in the midst of a transaction, and how far apart."""

RESTART_SECONDS = 60.0
"""Within each such time a server is restarted once, at any moment of it."""

SETTLE_SECONDS = 180.0
"""How long what is left may take to be done, once nobody is killed any more."""


@frozen(kw_only=True)
class Plan:
    """What to run. `fault` is the module of a failure mode's scenario, or None."""

    folder: Path
    location: DatabaseLocation
    seconds: float
    seed: int
    lease_seconds: float = 1.0
    jobs_a_second: float = 120.0
    fault: str | None = None
    constraints: bool = True
    """Whether the schema has its unique indexes: as in the scope of the fault."""


class _Processes:
    """The processes, by name. One that is killed is started again."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._starts: Counter[str] = Counter()
        roles = {f"producer{n}": "producer" for n in range(1, PRODUCERS + 1)}
        roles |= {f"worker{n}": "worker" for n in range(1, WORKERS + 1)}
        self._roles = roles | {"reconciler": "reconciler"}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.stopped: dict[str, float] = {}
        """Until when a process is stopped, by the watch."""
        self.stalled: str | None = None
        """Who is stopped in a transaction, and is not to be killed meanwhile, nor its connection cut."""
        self.watch = Stopwatch()
        self.died: list[str] = []

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in a fixed order."""
        return tuple(self._roles)

    def start(self, name: str) -> None:
        """Start it, or start it again. What it is told it reads: others see what stands in a command."""
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
            process.stdin.flush()  # and it stays open: its end would be the end of the process

    def kill(self, name: str) -> None:
        """SIGKILL, whatever it is doing, and be sure that it is gone."""
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
        """Kill all that are left."""
        for name in list(self.running):
            self.kill(name)

    def stop(self, name: str, seconds: float) -> None:
        """SIGSTOP, until so much later."""
        self.running[name].send_signal(signal.SIGSTOP)
        self.stopped[name] = self.watch.seconds + seconds

    def go_on(self, *, all_: bool = False) -> None:
        """SIGCONT to those whose time has come."""
        for name, until in list(self.stopped.items()):
            if all_ or until <= self.watch.seconds:
                self.running[name].send_signal(signal.SIGCONT)
                del self.stopped[name]
        if self.stalled not in self.stopped:
            self.stalled = None


class _FaultSchedule:
    """What falls on the processes and on the location, drawn from the seed; and how often it did."""

    def __init__(self, plan: Plan, processes: _Processes) -> None:
        self._plan, self._location, self._processes = plan, plan.location, processes
        self._random = random.Random(plan.seed)
        self._restarts = self._moments() if plan.location.restart else []
        kinds = ("kills", "stops", "cuts", "restarts", "stalls")
        self.injected = Counter(dict.fromkeys(kinds if plan.location.cut else kinds[:2], 0))

    def _moments(self) -> list[float]:
        """When to restart the server: once in each minute that is begun."""
        count = math.ceil(self._plan.seconds / RESTART_SECONDS)
        ends = [min((number + 1) * RESTART_SECONDS, self._plan.seconds) for number in range(count)]
        return [self._random.uniform(number * RESTART_SECONDS, end) for number, end in enumerate(ends)]

    @property
    def left(self) -> float:
        """For how many seconds there are blows still."""
        return self._plan.seconds - self._processes.watch.seconds

    def fall(self, say: Callable[[str], None]) -> None:
        """One after the other, until the time is over and each kind has fallen that can."""
        while self.left > 0 or self._restarts or (not self._each_kind() and not self._processes.died):
            _CLOCK.sleep(self._random.uniform(0, 2 * EVERY_SECONDS))
            self._processes.go_on()
            self._fault_process()
            self._fault_location()
            say(f"{description(self.injected)}, {max(0.0, self.left):.0f} s to go")

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
        """Stop it within a transaction, until after the server has ended that. False if it is in none."""
        location, processes = self._location, self._processes
        seconds = self._random.uniform(1.1, 1.5) * location.alone_seconds
        if location.alone is None or processes.stalled is not None or self.left < seconds or location.alone():
            return False
        for _ in range(_LOOKS):
            processes.stop(name, seconds)
            _CLOCK.sleep(_LOOK_SECONDS)
            if location.alone():
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
    """How often what has injected."""
    return ", ".join([f"{count:,} {blow}" for blow, count in injected.items()])


def run(plan: Plan, say: Callable[[str], None]) -> AuditReport:
    """Let it run, strike at random, end in peace, balance the books. `say` is told how far it has come."""
    plan.location.database.create()
    if not plan.constraints:
        with plan.location.open() as store:
            drop_constraints_of(store)
    processes = _Processes(plan)
    faults = _FaultSchedule(plan, processes)
    try:
        for name in processes.names:
            processes.start(name)
        faults.fall(say)
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
    """Do what only now shows that it is to be done. False if that takes too long.

    A process may be killed between writing a commit to SQLite's log and saying to the others that it is
    there. Who has the file open then never sees it; who opens it when all are gone does. Nobody was answered.
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
    """Wait until nothing is left to do. False if that takes too long.

    It is looked at twice: what a server has begun for a process that was killed comes to its end.
    """
    watch = Stopwatch()
    quiet = 0
    while watch.seconds < SETTLE_SECONDS:
        counts = store.counts()
        quiet = quiet + 1 if counts.pending == counts.running == 0 else 0
        if quiet == 2:
            return True
        say(f"{counts.pending} jobs wait and {counts.running} run, in peace")
        _CLOCK.sleep(0.5)
    return False


def _keep(store: Store, plan: Plan) -> None:
    """Keep the rows beside the logs: a server may not be there any more when they are wanted."""
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
