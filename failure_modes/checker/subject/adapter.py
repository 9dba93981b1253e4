"""The adapter of a queue: all that the checker needs to know of a library, in some 30 lines.

A library stays unchanged. Its adapter says how to open it, enqueue, work, keep house and look; and what its
documents claim, sentence by sentence. The checker calls the adapter; an adapter never moves time or
processes. `process` is what a job calls (`process.handle(key)`); it raises an error when the job is to
fail.

An adapter is a module-level object, so that a real process can import it.
"""

import hashlib
import importlib
import importlib.util
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from attrs import evolve, frozen

from failure_modes.checker.experiment.moves import HOUSEKEEPER, PRODUCER, WORKERS
from failure_modes.checker.simulation.foreign import ForeignContext, ForeignProgram
from failure_modes.checker.simulation.seams.stepped import current
from failure_modes.checker.support.errors import CallerError, NotInstalled


class Status(StrEnum):
    """The state of a job, as its queue records it. A job that the queue has forgotten has none."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Topic(StrEnum):
    """What a claim is about."""

    MULTI_PROCESS = "multi_process"
    """Several processes may take jobs: none is taken by two, and none again after it is done."""
    FENCED = "fenced"
    """A worker that lost its lease cannot change what a later one has recorded."""
    KEEPS_JOBS = "keeps_jobs"
    """An accepted job is not lost, also if the worker that runs it dies."""
    KEEPS_WAITING = "keeps_waiting"
    """An accepted job is not lost while no worker dies."""
    RECOVERY = "recovery"
    """A job of a dead worker runs again."""
    SURVIVES = "survives"
    """A worker goes on after what its peers do."""
    MAX_ATTEMPTS = "max_attempts"
    """A job that raises runs at most so often."""
    COUNTS_CRASHES = "counts_crashes"
    """A job whose worker dies, or stalls for longer than its lease, runs at most so often."""
    OUTCOME = "outcome"
    """What is recorded of a job is what happened."""
    FAIR = "fair"
    """A job that waits is not passed over without end by jobs that were enqueued after it."""


@frozen(kw_only=True)
class Claim:
    """A sentence of the documents. It promises the topic, or denies it."""

    topic: Topic
    promised: bool
    sentence: str
    where: str
    configuration: str | None = None
    """The configuration to which it belongs; None for all."""


class Adapter(ABC):
    """A queue, in one configuration. An adapter is a subclass, and a module has an instance of it."""

    name: str
    """The name of the distribution, as pip knows it; its version is asked from the installation."""
    configuration: str = "default"
    """The configuration in a few words."""
    seams: tuple[str, ...] = ("sqlite",)
    """The names of the seams that it needs; `subject/seams.py` has them."""
    claims: tuple[Claim, ...] = ()
    """What its documents say."""
    upstream: Mapping[Topic, str] = {}
    """Reports of others about a topic: where each stands. A finding of the report card names it."""
    note: str = ""
    """A remark for the report card."""
    attempts_max: int | None = None
    """How often a job runs at most; None if there is no limit."""
    lease_seconds: float = 60.0
    """After this time a worker that has not finished a job may lose it."""
    takes_ahead: bool = False
    """True if a worker may take its next job before its last one has ended."""

    @abstractmethod
    def reset(self, place: Path) -> None:
        """Make an empty queue in the folder. Not stepped."""

    @abstractmethod
    def open(self, place: Path, process: ForeignContext) -> Any:
        """Open the queue in a fresh process. The result has its connections and objects."""

    @abstractmethod
    def enqueue(self, session: Any, key: str) -> None:
        """Enqueue a job. It is accepted when this returns."""

    @abstractmethod
    def drain(self, session: Any) -> None:
        """Work as a worker does, until no job is found."""

    def housekeep(self, session: Any) -> None:  # noqa: B027 (a queue may need none)
        """Make one pass of what the documents say must run: nothing, unless an adapter says more."""

    @abstractmethod
    def observe(self, place: Path) -> Mapping[str, Status]:
        """The status of each job that the queue knows. Not stepped."""


def handle(key: str) -> None:
    """Run the job of this key in the process that runs now: for a library that imports its jobs by name."""
    process = current()
    if not isinstance(process, ForeignContext):
        raise CallerError("a job runs in a process of the checker alone")
    process.handle(key)


class Missing(NotInstalled):
    """The library of an adapter is not installed."""


@frozen(kw_only=True)
class AdapterSource:
    """Where an adapter is: `module:name` or `path.py:name`. A real process loads it from there, too."""

    module: str
    name: str

    @property
    def text(self) -> str:
        """The source, as it is written on a command line."""
        return f"{self.module}:{self.name}"

    @property
    def everywhere(self) -> "AdapterSource":
        """The same source for a process in another folder: with the whole path of its file."""
        return evolve(self, module=str(Path(self.module).resolve())) if self.is_file else self

    @property
    def is_file(self) -> bool:
        """True if the source is a file, and no module."""
        return self.module.endswith(".py")

    @property
    def version(self) -> tuple[str | None, str | None]:
        """The version of the library, and a digest of the file: equal where work is shared."""
        file = hashlib.sha256(Path(self.module).read_bytes()).hexdigest() if self.is_file else None
        return version_of(self.load()), file

    def load(self) -> Adapter:
        """The adapter. Raises CallerError or NotInstalled."""
        module = _module(self.module)
        adapter: Adapter | None = getattr(module, self.name, None)
        if adapter is None:
            raise CallerError(f"{self.module} has no {self.name}")
        return adapter


def source_of(text: str) -> AdapterSource:
    """The source that a text names. Raises CallerError."""
    module, colon, name = text.rpartition(":")
    if not colon or not module or not name:
        raise CallerError(f"{text!r} names no adapter; write MODULE:NAME or PATH.py:NAME")
    return AdapterSource(module=module, name=name)


def version_of(adapter: Adapter) -> str | None:
    """The version of the library that is installed; None if it is no distribution."""
    try:
        return metadata.version(adapter.name)
    except metadata.PackageNotFoundError:
        return None


def programs_of(adapter: Adapter, place: Path) -> Mapping[str, ForeignProgram]:
    """The program of each process."""

    def program(process: ForeignContext) -> None:
        task = process.next_task()
        with process.opening():
            session = adapter.open(place, process)
        while True:
            if task.name == "enqueue":
                assert task.key is not None
                adapter.enqueue(session, task.key)
            elif task.name == "drain":
                adapter.drain(session)
            else:
                adapter.housekeep(session)
            task = process.next_task()

    return dict.fromkeys((*WORKERS, PRODUCER, HOUSEKEEPER), program)


def _module(name: str) -> ModuleType:
    try:
        if not name.endswith(".py"):
            return importlib.import_module(name)
        path = Path(name).resolve()
        known = "adapter_" + hashlib.sha256(str(path).encode()).hexdigest()[:12]
        if known in sys.modules:
            return sys.modules[known]
        spec = importlib.util.spec_from_file_location(known, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise CallerError(f"{name}: there is no such file")
        if str(path.parent) not in sys.path:  # the adapter may import what lies beside it
            sys.path.insert(0, str(path.parent))
        module = sys.modules[known] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or name.startswith(error.name):
            raise CallerError(f"there is no module {name}") from None
        raise Missing(
            f"{name} needs {error.name}, which is not installed: pip install 'reliability-habits[judge]'"
        ) from None
    return module
