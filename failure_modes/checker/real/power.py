"""Power: record the file operations of a run, and check the disk images that a loss of power may leave.

Power may fail after each operation. The disk has then kept all writes, or only the synced ones, or any part
of the others (`disk/volatile.py`). The store opens each such image. The image must have the content after a
commit of the run: the last acknowledged commit, or the commit in progress. An older content means that an
acknowledged commit is lost; any other content means that the database is corrupt. Then the real queue and a
real worker recover each content, and the invariants are judged.
"""

import random
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path

from attrs import field, frozen

from failure_modes.checker.experiment.scope import Scope, build_queue, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.oracle.liveness import PATIENCE_MS, ROUNDS_MAX, next_time
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.disk.images import complete_content, remove_files, write_files
from failure_modes.checker.simulation.disk.operations import Operation, Sync
from failure_modes.checker.simulation.disk.volatile import (
    Disk,
    Image,
    keep_all,
    keep_sectors_of,
    keep_some_of,
    keep_synced_only,
)
from failure_modes.checker.simulation.power_loss_world import PowerLossWorld
from failure_modes.checker.simulation.sqlite_database import new_path
from failure_modes.checker.subject.abstraction import AuditCursor, read
from failure_modes.checker.subject.pragmas import with_pragmas
from failure_modes.checker.subject.queue_subject import QueueSubject
from model.actions import RECONCILER
from model.invariants import INVARIANTS, Change, Ending
from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import Job, StoreError
from system.worker import Context, Worker

SCOPE = Scope(power_loss=True).with_each_tick()
STEPS = 60
EACH = 3
"""The number of random images of each kind after each operation: lost writes, and lost sectors."""

CHECKPOINT = "wal_autocheckpoint = 12"
"""The pragma of every second run: a checkpoint after 12 pages. No run writes the default, 1,000 pages."""


@frozen(kw_only=True)
class Setting:
    """The durability settings of SQLite."""

    journal: str
    synchronous: str

    @property
    def pragmas(self) -> tuple[str, ...]:
        """The pragmas that make these settings; none for the settings of the store."""
        return (
            () if self == STORE else (f"journal_mode = {self.journal}", f"synchronous = {self.synchronous}")
        )


STORE = Setting(journal="WAL", synchronous="FULL")
"""The settings of the store."""

SETTINGS = (
    *[Setting(journal="WAL", synchronous=level) for level in ("OFF", "NORMAL", "FULL", "EXTRA")],
    *[Setting(journal="DELETE", synchronous=level) for level in ("OFF", "NORMAL", "FULL", "EXTRA")],
    Setting(journal="TRUNCATE", synchronous="FULL"),
    Setting(journal="PERSIST", synchronous="FULL"),
)


@frozen(kw_only=True)
class PowerReport:
    """The counts of the images of one or more runs."""

    runs: int = 0
    commits: int = 0
    checkpoints: int = 0
    """The number of checkpoints: the log was copied to the database."""
    images: int = 0
    at_risk: int = 0
    """Images of moments with unsynced writes."""
    distinct: int = 0
    """Images that differ from every other image of their run."""
    lost: int = 0
    """Images in which an acknowledged commit is missing."""
    corrupt: int = 0
    """Images that are no database, or have the content after no commit."""
    recovered: int = 0
    """Distinct contents that were recovered and judged."""
    violations: tuple[str, ...] = ()
    """The violations after the recovery."""
    first_problem: str = ""
    """A description of the first image that was lost or corrupt."""

    def __add__(self, other: "PowerReport") -> "PowerReport":
        return PowerReport(
            runs=self.runs + other.runs,
            commits=self.commits + other.commits,
            checkpoints=self.checkpoints + other.checkpoints,
            images=self.images + other.images,
            at_risk=self.at_risk + other.at_risk,
            distinct=self.distinct + other.distinct,
            lost=self.lost + other.lost,
            corrupt=self.corrupt + other.corrupt,
            recovered=self.recovered + other.recovered,
            violations=(*self.violations, *other.violations),
            first_problem=self.first_problem or other.first_problem,
        )


@frozen(kw_only=True)
class _Run:
    """The file operations of a run, and its commits: the number of operations before, and the content."""

    first: Disk
    operations: tuple[Operation, ...]
    commits: tuple[tuple[int, Content], ...]


@frozen
class _ImageContent:
    """The content of an image. `problem` is the reason if it has none."""

    content: Content | None = None
    problem: str = ""


@frozen
class _ImageChecker:
    """Opens images. Equal images are opened once."""

    run: _Run
    path: Path
    known: dict[bytes, _ImageContent] = field(factory=dict)
    recovered: dict[Content, str | None] = field(factory=dict)

    def found(self, image: Image) -> _ImageContent:
        digest = blake2b(digest_size=16)
        for suffix, content in sorted(image.items()):
            digest.update(f"{suffix} {len(content)} ".encode() + content)
        key = digest.digest()
        if key not in self.known:
            self.known[key] = self._open(image)
        return self.known[key]

    def _open(self, image: Image) -> _ImageContent:
        write_files(self.path, image)
        try:
            SQLiteStore(self.path, clock=ManualClock()).close()
            content, problem = complete_content(self.path)
            known = content in [committed for _, committed in self.run.commits]
            if content is not None and known and content not in self.recovered:
                self.recovered[content] = _recover_and_judge(self.path)
            return _ImageContent(content, problem.replace("\n", " "))
        except StoreError as error:
            return _ImageContent(problem=str(error))
        finally:
            remove_files(self.path)


def check_images(setting: Setting, seed: int, steps: int = STEPS) -> PowerReport:
    """Run once with these settings, and check the images that losses of power may leave. Raises NoVFS.

    `steps` is the number of draws of the run; a draw is at most one action.
    """
    run = _recorded(setting, seed, steps)
    checker = _ImageChecker(run, new_path())
    images = at_risk = lost = corrupt = 0
    first_problem = ""
    for at, risk, kind, image in _images(run, random.Random(f"{seed}:images")):
        images += 1
        at_risk += risk
        found = checker.found(image)
        acknowledged = [content for done, content in run.commits if done <= at]
        in_progress = [content for done, content in run.commits if done > at][:1]
        if found.content in (acknowledged[-1], *in_progress):
            continue
        lost += found.content in acknowledged
        corrupt += found.content not in acknowledged
        number = _commit_number(run, found.content)
        problem = found.problem or f"commit {number} of {len(acknowledged) - 1} acknowledged"
        first_problem = first_problem or f"seed {seed}, after operation {at}, {kind}: {problem}"
    return PowerReport(
        runs=1,
        commits=len(run.commits) - 1,
        checkpoints=sum(operation == Sync("") for operation in run.operations),
        images=images,
        at_risk=at_risk,
        distinct=len(checker.known),
        lost=lost,
        corrupt=corrupt,
        recovered=len(checker.recovered),
        violations=tuple([violation for violation in checker.recovered.values() if violation]),
        first_problem=first_problem,
    )


def _commit_number(run: _Run, content: Content | None) -> str:
    numbers = [str(number) for number, (_, known) in enumerate(run.commits) if known == content]
    return numbers[-1] if numbers else "unknown"


def _with_settings(queue: Queue, pragmas: tuple[str, ...]) -> Queue:
    return with_pragmas(queue, *pragmas) if pragmas else queue


def _recorded(setting: Setting, seed: int, steps: int) -> _Run:
    """Run a random schedule without a loss of power, in lock-step with the model, and record it."""
    pragmas = (*setting.pragmas, *([CHECKPOINT] if seed % 2 else []))
    fault = partial(_with_settings, pragmas=pragmas)
    chance = random.Random(f"{seed}:schedule")
    bursts = UNRESTRICTED.bursts(SCOPE)
    world = PowerLossWorld(QueueSubject(SCOPE, fault), granularity=SCOPE.granularity)
    first = world.database.initial_disk
    with Lockstep(SCOPE, fault, world=world) as lockstep:
        commits = [(0, world.content.everything())]
        for _ in range(steps):
            for action in chance.choice(bursts):
                committed = lockstep.possible(action) and lockstep.apply(action).committed
                commits += [(len(world.database.operations), world.content.everything())] * committed
        return _Run(first=first, operations=tuple(world.database.operations), commits=tuple(commits))


def _images(run: _Run, chance: random.Random) -> Iterator[tuple[int, bool, str, Image]]:
    """Images that a loss of power may leave after each operation, some of them drawn at random."""
    disk = run.first
    for at in range(len(run.operations) + 1):
        risk = not disk.all_kept
        yield at, risk, "all writes kept", disk.image(keep_all)
        yield at, risk, "only synced writes", disk.image(keep_synced_only)
        for _ in range(EACH * risk):
            yield at, risk, "some writes", disk.image(keep_some_of(chance))
            yield at, risk, "some sectors", disk.image(keep_sectors_of(chance))
        if at < len(run.operations):
            disk = disk.after(run.operations[at])


def _handle(job: Job, context: Context) -> None:
    context.write(job.payload)


def _recover_and_judge(path: Path) -> str | None:
    """Let the real queue recover the database until nothing changes. Returns the violation, if any."""
    clock = ManualClock()
    store = SQLiteStore(path, clock=clock)
    try:
        queue = build_queue(store, SCOPE.settings, guarded)
        accepted = tuple([job.key for job in store.jobs() if job.key is not None])
        rows = list(store.audit())
        clock.advance(max([row.at for row in rows], default=0))
        worker = Worker(queue, _handle, name="A", clock=clock)
        settled = False
        for _ in range(ROUNDS_MAX):
            queue.reconcile(actor=RECONCILER)
            worker.drain()
            later = next_time(read(store, None, cursor=AuditCursor())[0], clock.now(), SCOPE.settings)
            settled = later is None or later > clock.now() + PATIENCE_MS
            if later is None or settled:
                break
            clock.advance(later - clock.now())
        durable, events = read(store, None, cursor=AuditCursor())
        ending = Ending(final=durable, events=events, accepted=accepted, faults=(), settled=settled)
        still = Change(before=durable, after=durable, events=(), actor="time", at=clock.now())
        for rule in INVARIANTS:
            violation = rule.at_end(ending) if rule.at_end else None
            violation = violation or (rule.on_change(still) if rule.on_change else None)
            if violation:
                return f"{rule.id}: {violation}"
        return None
    finally:
        store.close()
