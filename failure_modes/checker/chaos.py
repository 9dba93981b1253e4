"""Chaos on the real thing: processes of the queue on one database file, killed and stopped at random moments.

Producers, workers and a reconciler run on the system's clock; SIGKILL, SIGSTOP and SIGCONT fall between any
two instructions of theirs. When it is over, all that is left to do is done in peace, and the books are
balanced: from the rows, and from what the processes said themselves.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from attrs import asdict, field, frozen

from failure_modes.checker.chaos_process import Orders
from failure_modes.checker.chaos_process import said as read_log
from system.clock import Stopwatch, SystemClock
from system.sqlite import SQLiteStore
from system.store import AuditRow, Execution, Status

PRODUCERS, WORKERS = 2, 3
_CLOCK = SystemClock()
_OPEN = (Status.LEASED, Status.IN_PROGRESS, Status.COMMITTED)
EVERY_SECONDS = 0.3
"""Time from one blow to the next, on average."""

PEACE_SECONDS = 180.0
"""How long what is left may take to be done, once nobody is killed any more."""


@frozen(kw_only=True)
class Plan:
    """What to run. `fault` is the module of a failure mode's scenario, or None."""

    folder: Path
    seconds: float
    seed: int
    lease_seconds: float = 1.0
    jobs_a_second: float = 120.0
    fault: str | None = None


@frozen(kw_only=True)
class Books:
    """What came of it. Each list names what is wrong; all are empty where the queue kept its promises."""

    jobs: int
    accepted: int
    succeeded: int
    failed: int
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    stuck: tuple[str, ...]
    strange: tuple[str, ...]
    died: tuple[str, ...]
    audit: Counter[str]
    struck: Counter[str] = field(factory=Counter)

    @property
    def balanced(self) -> bool:
        """Whether nothing is lost, duplicated, stuck or strange."""
        return not (self.lost or self.duplicated or self.stuck or self.strange or self.died)


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
        self.watch = Stopwatch()
        self.died: list[str] = []

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in a fixed order."""
        return tuple(self._roles)

    def start(self, name: str) -> None:
        """Start it, or start it again."""
        self._starts[name] += 1
        orders = Orders(
            role=self._roles[name],
            name=name,
            folder=str(self._plan.folder),
            seed=f"{self._plan.seed}:{name}:{self._starts[name]}",
            lease_seconds=self._plan.lease_seconds,
            jobs_a_second=self._plan.jobs_a_second,
            fault=self._plan.fault,
            parent=os.getpid(),
        )
        command = [sys.executable, "-m", "failure_modes.checker.chaos_process", json.dumps(asdict(orders))]
        with Path(self._plan.folder, f"{name}.err").open("ab") as errors:
            self.running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors)

    def kill(self, name: str) -> None:
        """SIGKILL, whatever it is doing, and be sure that it is gone."""
        process = self.running[name]
        if process.poll() is not None:
            self.died.append(f"{name} ended by itself, with exit code {process.returncode}")
        process.kill()
        process.wait()
        del self.running[name]
        self.stopped.pop(name, None)

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


def run(plan: Plan, say: Callable[[str], None]) -> Books:
    """Let it run, strike at random, end in peace, balance the books. `say` is told how far it has come."""
    SQLiteStore(plan.folder / "queue.db", clock=_CLOCK, create=True).close()
    cast, chance, struck = _Cast(plan), random.Random(plan.seed), Counter[str]()
    try:
        for name in cast.names:
            cast.start(name)
        while cast.watch.seconds < plan.seconds:
            _CLOCK.sleep(chance.uniform(0, 2 * EVERY_SECONDS))
            cast.go_on()
            name = chance.choice(cast.names)
            if chance.random() < 0.4 and name not in cast.stopped:
                cast.stop(name, chance.uniform(0, 2.5 * plan.lease_seconds))
                struck["stops"] += 1
            else:
                cast.kill(name)
                cast.start(name)
                struck["kills"] += 1
            to_go = plan.seconds - cast.watch.seconds
            say(f"{struck['kills']} kills, {struck['stops']} stops, {to_go:.0f} s to go")
        cast.go_on(all_=True)
        for name in cast.names:
            if name.startswith("producer"):
                cast.kill(name)
        settled = _peace(plan, say)
    finally:
        for name in list(cast.running):
            cast.kill(name)
    return balance(plan, struck, died=cast.died, settled=settled)


def _peace(plan: Plan, say: Callable[[str], None]) -> bool:
    """Wait until nothing is left to do. False if that takes too long."""
    store = SQLiteStore(plan.folder / "queue.db", clock=_CLOCK)
    watch = Stopwatch()
    try:
        while watch.seconds < PEACE_SECONDS:
            counts = store.counts()
            if counts.pending == counts.running == 0:
                return True
            say(f"{counts.pending} jobs wait and {counts.running} run, in peace")
            _CLOCK.sleep(0.5)
        return False
    finally:
        store.close()


def balance(plan: Plan, struck: Counter[str], *, died: list[str], settled: bool) -> Books:
    """The books: from the rows, and from what the processes said."""
    said: dict[str, list[list[object]]] = {}
    for path in sorted(plan.folder.glob("*.log")):
        for words in read_log(path):
            said.setdefault(str(words[0]), []).append(words)
    asked = {str(words[1]) for words in said.get("asked", [])}
    accepted = {(str(words[1]), words[2]) for words in said.get("accepted", [])}
    ran = {str(words[1]) for words in said.get("ran", [])}
    committed = {int(str(words[1])) for words in said.get("committed", [])}
    store = SQLiteStore(plan.folder / "queue.db", clock=_CLOCK)
    jobs, executions, effects = store.jobs(), store.executions(), store.effects()
    events = tuple(store.audit())
    store.close()
    last: dict[int, list[Execution]] = {}
    for execution in executions:
        last.setdefault(execution.job_id, []).append(execution)
    done = Counter([one.job_id for one in executions if one.status in (Status.COMMITTED, Status.DONE)])
    written = Counter([effect.job_id for effect in effects])
    by = {effect.execution_id for effect in effects}
    owners = {execution.id: execution.job_id for execution in executions}
    keys = Counter([str(job.key) for job in jobs])
    ids = {str(job.key): job.id for job in jobs}
    buried = {event.job_id for event in events if event.event == "buried"}
    names = {job.id: f"job-{job.id} ({job.key})" for job in jobs}
    lost, duplicated, stuck = [], [], []
    strange = [] if settled else ["something is still to be done after all the time there was"]
    for key, number in sorted(accepted):
        if ids.get(key) != number:
            lost.append(f"{key} was accepted as job-{number}, and there is no such job")
    lost += [f"exec-{one} was told that it committed, and has no effect" for one in sorted(committed - by)]
    for one in executions:
        if (one.id in by) is not (one.status in (Status.COMMITTED, Status.DONE)):
            half = "an effect" if one.id in by else "no effect"
            strange.append(f"exec-{one.id} of job-{one.job_id} is {one.status}, and has {half}")
    told = {event.job_id for event in events} | set(written) | set(last)
    lost += [f"job-{number} has left rows, and is gone" for number in sorted(told - set(names))]
    duplicated += [f"{key} has {count} jobs" for key, count in sorted(keys.items()) if count > 1]
    succeeded = failed = 0
    for job in jobs:
        attempts, name = last.get(job.id, []), names[job.id]
        ended = not any(one.status in _OPEN for one in attempts)
        success = any(one.status is Status.DONE for one in attempts)
        spent = bool(attempts) and attempts[-1].attempt >= job.attempts_max
        succeeded += success
        failed += ended and spent and not success
        if not ended or not (success or spent):
            stuck.append(f"{name} is not at an end")
        if max(written[job.id], done[job.id]) > 1:
            duplicated.append(f"{name} has {written[job.id]} effects, of {done[job.id]} commits")
        if written[job.id] < done[job.id]:
            lost.append(f"{name} was committed, and has no effect")
        if ended and spent and not success and (written[job.id] or job.id not in buried):
            strange.append(f"{name} has failed, with {written[job.id]} effects, and no row says why")
        if str(job.key) not in asked:
            strange.append(f"nobody asked for {name}")
    wanted = {job.id: job.payload for job in jobs}
    for effect in effects:
        right = wanted.get(effect.job_id) == effect.value and owners.get(effect.execution_id) == effect.job_id
        if not right or json.loads(effect.value) not in ran:
            strange.append(f"job-{effect.job_id} has an effect that nobody worked for: {effect.value}")
    return Books(
        jobs=len(jobs),
        accepted=len(accepted),
        succeeded=succeeded,
        failed=failed,
        lost=tuple(lost),
        duplicated=tuple(duplicated),
        stuck=tuple(stuck),
        strange=tuple(strange),
        died=tuple(died),
        audit=Counter([_name(event) for event in events]),
        struck=struck,
    )


def _name(event: AuditRow) -> str:
    return f"{event.operation} refused" if event.event == "refused" else event.event
