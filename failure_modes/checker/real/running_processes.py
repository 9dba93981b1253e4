"""The processes of a chaos run: how each is started, stopped, continued and killed."""

import json
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from attrs import asdict, frozen

from failure_modes.checker.real.chaos_process import ProcessConfiguration
from failure_modes.checker.real.database_location import DatabaseLocation
from failure_modes.checker.support.child_processes import popen
from system.clock import Stopwatch

PRODUCERS, WORKERS = 2, 3


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


class RunningProcesses:
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
