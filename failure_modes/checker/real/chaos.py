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

from failure_modes.checker.real.chaos_audit import Books, balance
from failure_modes.checker.real.chaos_process import Orders
from failure_modes.checker.real.database_location import Place
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

PEACE_SECONDS = 180.0
"""How long what is left may take to be done, once nobody is killed any more."""


@frozen(kw_only=True)
class Plan:
    """What to run. `fault` is the module of a failure mode's scenario, or None."""

    folder: Path
    place: Place
    seconds: float
    seed: int
    lease_seconds: float = 1.0
    jobs_a_second: float = 120.0
    fault: str | None = None
    constraints: bool = True
    """Whether the schema has its unique indexes: as in the scope of the fault."""


class _Cast:
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
        orders = Orders(
            role=self._roles[name],
            name=name,
            folder=str(self._plan.folder),
            db=self._plan.place.db,
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
            process.stdin.write(json.dumps(asdict(orders)).encode("ascii") + b"\n")
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


class _Blows:
    """What falls on the processes and on the place, drawn from the seed; and how often it did."""

    def __init__(self, plan: Plan, cast: _Cast) -> None:
        self._plan, self._place, self._cast = plan, plan.place, cast
        self._chance = random.Random(plan.seed)
        self._restarts = self._moments() if plan.place.restart else []
        kinds = ("kills", "stops", "cuts", "restarts", "stalls")
        self.struck = Counter(dict.fromkeys(kinds if plan.place.cut else kinds[:2], 0))

    def _moments(self) -> list[float]:
        """When to restart the server: once in each minute that is begun."""
        count = math.ceil(self._plan.seconds / RESTART_SECONDS)
        ends = [min((number + 1) * RESTART_SECONDS, self._plan.seconds) for number in range(count)]
        return [self._chance.uniform(number * RESTART_SECONDS, end) for number, end in enumerate(ends)]

    @property
    def left(self) -> float:
        """For how many seconds there are blows still."""
        return self._plan.seconds - self._cast.watch.seconds

    def fall(self, say: Callable[[str], None]) -> None:
        """One after the other, until the time is over and each kind has fallen that can."""
        while self.left > 0 or self._restarts or (not self._each_kind() and not self._cast.died):
            _CLOCK.sleep(self._chance.uniform(0, 2 * EVERY_SECONDS))
            self._cast.go_on()
            self._strike_process()
            self._strike_place()
            say(f"{told(self.struck)}, {max(0.0, self.left):.0f} s to go")

    def _each_kind(self) -> bool:
        possible = ("kills", "stops", *(("cuts",) * (self._place.cut is not None)))
        return all(self.struck[kind] for kind in possible)

    def _strike_process(self) -> None:
        chance, cast = self._chance, self._cast
        name = chance.choice([one for one in cast.names if one != cast.stalled])
        if chance.random() < STOPS and name not in cast.stopped:
            if chance.random() < STALLS and self._stall(name):
                self.struck["stalls"] += 1
            else:
                cast.stop(name, chance.uniform(0, 2.5 * self._plan.lease_seconds))
            self.struck["stops"] += 1
        else:
            cast.kill(name)
            cast.start(name)
            self.struck["kills"] += 1

    def _stall(self, name: str) -> bool:
        """Stop it within a transaction, until after the server has ended that. False if it is in none."""
        place, cast = self._place, self._cast
        seconds = self._chance.uniform(1.1, 1.5) * place.alone_seconds
        if place.alone is None or cast.stalled is not None or self.left < seconds or place.alone():
            return False
        for _ in range(_LOOKS):
            cast.stop(name, seconds)
            _CLOCK.sleep(_LOOK_SECONDS)
            if place.alone():
                cast.stalled = name
                return True
            cast.stopped[name] = 0
            cast.go_on()
            _CLOCK.sleep(self._chance.uniform(0, _LOOK_SECONDS / 4))
        return False

    def _strike_place(self) -> None:
        place, chance = self._place, self._chance
        if place.cut is not None and self._cast.stalled is None and chance.random() < CUTS:
            self.struck["cuts"] += place.cut(chance.random())
        if place.restart is not None and self._restarts and self._restarts[0] <= self._cast.watch.seconds:
            del self._restarts[0]
            place.restart()
            self.struck["restarts"] += 1


def told(struck: Counter[str]) -> str:
    """How often what has struck."""
    return ", ".join([f"{count:,} {blow}" for blow, count in struck.items()])


def run(plan: Plan, say: Callable[[str], None]) -> Books:
    """Let it run, strike at random, end in peace, balance the books. `say` is told how far it has come."""
    plan.place.database.create()
    if not plan.constraints:
        with plan.place.open() as store:
            drop_constraints_of(store)
    cast = _Cast(plan)
    blows = _Blows(plan, cast)
    try:
        for name in cast.names:
            cast.start(name)
        blows.fall(say)
        cast.go_on(all_=True)
        for name in cast.names:
            if name.startswith("producer"):
                cast.kill(name)
        with plan.place.open() as store:
            settled = _peace(store, say)
    finally:
        cast.end()
    settled = settled and _seen_at_last(plan, cast, say)
    with plan.place.open() as store:
        books = balance(store, plan.folder, blows.struck, died=cast.died, settled=settled)
        if not books.balanced:
            _keep(store, plan)
    return books


def _seen_at_last(plan: Plan, cast: _Cast, say: Callable[[str], None]) -> bool:
    """Do what only now shows that it is to be done. False if that takes too long.

    A process may be killed between writing a commit to SQLite's log and saying to the others that it is
    there. Who has the file open then never sees it; who opens it when all are gone does. Nobody was answered.
    """
    with plan.place.open() as store:
        counts = store.counts()
        if counts.pending == counts.running == 0:
            return True
        try:
            for name in cast.names:
                if not name.startswith("producer"):
                    cast.start(name)
            return _peace(store, say)
        finally:
            cast.end()


def _peace(store: Store, say: Callable[[str], None]) -> bool:
    """Wait until nothing is left to do. False if that takes too long.

    It is looked at twice: what a server has begun for a process that was killed comes to its end.
    """
    watch = Stopwatch()
    quiet = 0
    while watch.seconds < PEACE_SECONDS:
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
    if plan.place.log is not None:
        shutil.copy(plan.place.log, plan.folder / "server.txt")
