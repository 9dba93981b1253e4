"""Keeps one PostgreSQL server for another process, the client, and ends it when the client ends.

`python -m failure_modes.checker.support.postgresql.keeper CONFIGURATION`, with a pipe from the client as its
input. The keeper answers each request with one line of JSON. It promises:

- when the pipe is closed, the client ends, or SIGTERM comes, the keeper ends the server and removes its
  folder. A process that the client forked may hold the pipe open, so the keeper watches its parent, too;
- the keeper makes the folder itself, so it can always remove it. If the keeper is killed, the server ends (on
  Linux), and the next checker that starts removes the folder;
- every wait has a time limit, and a process that does not end in time is killed.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from attrs import frozen

from failure_modes.checker.support import temporary
from failure_modes.checker.support.errors import MachineError
from system.clock import Stopwatch, SystemClock

CHECK_EVERY_SECONDS = 0.5
"""The time between two checks of the client."""

INITDB_SECONDS = 120.0
END_SECONDS = 8.0
"""The time after which PostgreSQL has killed those of its processes that do not end."""

ORPHAN_SECONDS = 1.0
"""The time that the server's other processes get to notice that the first one has ended."""

USER = "queue"
PORT = 5432
ENDINGS = {"immediate": signal.SIGQUIT, "fast": signal.SIGINT}
_CLOCK = SystemClock()
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_ALWAYS = {
    "listen_addresses": "''",
    "port": PORT,
    "max_connections": 200,
    "jit": "off",
    "log_line_prefix": "'%m [%p] '",
}
_FAST = {
    "fsync": "off",
    "synchronous_commit": "on",
    "full_page_writes": "off",
    "autovacuum": "off",
    "deadlock_timeout": "1h",  # the checker chooses the victim of a deadlock
    "shared_buffers": "16MB",
    "max_wal_size": "128MB",
    "max_wal_senders": 0,
    "wal_level": "minimal",
}
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "128MB"}


class Refused(MachineError):
    """The server could not be started or restarted. The message is text for users."""


@frozen(kw_only=True)
class KeeperConfiguration:
    """The server to keep, and its client."""

    asker: int
    """The process id of the client. The client is the keeper's parent while it lives."""
    binaries: str
    above: str
    """The folder in which the folder of the server is made."""
    durable: bool
    prefix: tuple[str, ...]
    user: int | None
    group: int | None


class Keeper:
    """The folder and the processes of one server."""

    def __init__(self, configuration: KeeperConfiguration) -> None:
        self._configuration = configuration
        self._postmaster: subprocess.Popen[bytes] | None = None
        self.folder = temporary.create(Path(configuration.above), "queue-pg-")
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        if configuration.user is not None and configuration.group is not None:
            os.chown(self.folder, configuration.user, configuration.group)

    def initialise(self) -> None:
        """Make the data folder."""
        arguments = ["-D", str(self.data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        process = self._run("initdb", arguments)
        try:
            process.wait(INITDB_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        if process.wait() != 0:
            raise Refused(f"initdb ended with exit code {process.returncode}:\n{end_of_log(self.log)}")
        settings = _ALWAYS | (_DURABLE if self._configuration.durable else _FAST)
        settings["unix_socket_directories"] = f"'{self.folder}'"
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def start(self) -> int:
        """Start the server. Returns the pid of its first process. It may not accept connections yet."""
        self._postmaster = self._run("postgres", ["-D", str(self.data)])
        return self._postmaster.pid

    def _run(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        configuration = self._configuration
        command = [*configuration.prefix, str(Path(configuration.binaries, name)), *arguments]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_"))}
        inherited |= {"LC_ALL": "C", "TZ": "UTC"}  # with a time zone, initdb does not look for one
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=inherited,
                start_new_session=True,
                user=configuration.user,
                group=configuration.group,
                extra_groups=None if configuration.user is None else (),
                preexec_fn=_end_with_keeper,
            )

    def poll(self) -> None:
        """Wait for a server that has ended by itself, so that its process id is free."""
        if self._postmaster is not None:
            self._postmaster.poll()

    def end(self, ending: str = "immediate") -> None:
        """End the server with this signal; if that fails, with SIGQUIT; then with SIGKILL."""
        process = self._postmaster
        if process is None:
            return
        for number in (ENDINGS[ending], signal.SIGQUIT):
            if process.poll() is None:
                process.send_signal(number)
                process.send_signal(signal.SIGCONT)  # it may have been stopped
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(END_SECONDS)
        if process.poll() is None:
            process.kill()
            process.wait()
        _end_orphans()

    def remove(self) -> None:
        """Remove the folder. Retry for a while, since an ending process may still write into it."""
        watch = Stopwatch()
        while self.folder.exists() and watch.seconds < END_SECONDS:
            temporary.remove(self.folder)
            if self.folder.exists():
                _CLOCK.sleep(0.05)


def end_of_log(log: Path, lines: int = 12) -> str:
    """The last lines of a log, as far as it can be read."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(no log: {error.strerror})"


def _end_with_keeper() -> None:
    """Let the kernel end the server at once if the keeper is killed. On Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _adopt_orphans() -> None:
    """Become the parent of each process that the server leaves behind. On Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _end_orphans() -> None:
    """Wait for the processes that the server has left behind, and kill those that do not end."""
    watch = Stopwatch()
    while (orphans := _children()) and watch.seconds < END_SECONDS:
        for pid in orphans:
            if watch.seconds > ORPHAN_SECONDS:
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, os.WNOHANG)
        _CLOCK.sleep(0.01)


def _children() -> list[int]:
    """The children of this process, if the kernel shows them. Elsewhere they end by themselves."""
    try:
        return [int(pid) for pid in Path("/proc/thread-self/children").read_text("ascii").split()]
    except OSError:
        return []


def main(text: str) -> None:
    """Keep a server, as the configuration in JSON says."""
    signals: list[int] = []

    def on_sigterm(number: int, _frame: FrameType | None) -> None:
        signals.append(number)

    signal.signal(signal.SIGTERM, on_sigterm)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the client handles it
    _adopt_orphans()
    configuration = KeeperConfiguration(**json.loads(text))
    keeper = None
    try:
        keeper = Keeper(configuration)
        keeper.initialise()
        word: str | None = "immediate"
        while word is not None:
            keeper.end(word)
            _answer({"folder": str(keeper.folder), "pid": keeper.start()})
            word = _next(keeper, configuration.asker, signals)
    except (OSError, Refused) as error:
        _answer({"error": str(error)})
    finally:
        if keeper is not None:
            keeper.end()
            keeper.remove()


def _next(keeper: Keeper, asker: int, signals: list[int]) -> str | None:
    """The next request; None if the client has closed the pipe or ended."""
    asked = select.poll()
    asked.register(0, select.POLLIN)
    while not signals and os.getppid() == asker:
        keeper.poll()
        if asked.poll(CHECK_EVERY_SECONDS * 1000):
            return os.read(0, 100).decode("ascii").strip() or None
    return None


def _answer(words: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # the client may have ended
        os.write(1, json.dumps(words).encode("ascii") + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])
