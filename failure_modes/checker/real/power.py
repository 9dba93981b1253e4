"""What a loss of power leaves: a run's file operations are recorded, and the disks that they allow looked at.

After each operation power may fail. The disk then has kept all that was written, or only what it was told to
keep, or anything between (`disk/volatile.py`). Each such image is opened as the store opens a database, and
must hold what was there after one of the run's commits: the last that was acknowledged, or the one that was
under way. An older one means that an acknowledged commit is lost; anything else that the database is corrupt.
What is found is then recovered by the real queue and a real worker, and the invariants are judged.
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
from failure_modes.checker.simulation.disk.volatile import Disk, Image, nothing, some_of, torn
from failure_modes.checker.simulation.disk.volatile import everything as all_of_it
from failure_modes.checker.simulation.powered import PoweredWorld
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

SCOPE = Scope(power_loss=True)
STEPS = 60
EACH = 3
"""Images after each operation of those drawn at random: whole writes lost, and sectors."""

CHECKPOINT = "wal_autocheckpoint = 12"
"""In every second run the log is copied back after so many pages, and not after 1,000: a run is too short."""


@frozen(kw_only=True)
class Setting:
    """How SQLite keeps a database."""

    journal: str
    synchronous: str

    @property
    def pragmas(self) -> tuple[str, ...]:
        """What makes it so; nothing where the store does."""
        return (
            () if self == STORE else (f"journal_mode = {self.journal}", f"synchronous = {self.synchronous}")
        )


STORE = Setting(journal="WAL", synchronous="FULL")
"""The store's own."""

SETTINGS = (
    *[Setting(journal="WAL", synchronous=level) for level in ("OFF", "NORMAL", "FULL", "EXTRA")],
    *[Setting(journal="DELETE", synchronous=level) for level in ("OFF", "NORMAL", "FULL", "EXTRA")],
    Setting(journal="TRUNCATE", synchronous="FULL"),
    Setting(journal="PERSIST", synchronous="FULL"),
)


@frozen(kw_only=True)
class Looked:
    """What came of the images of a run, or of several."""

    runs: int = 0
    commits: int = 0
    checkpoints: int = 0
    """Times that the log was copied back to the database."""
    images: int = 0
    at_risk: int = 0
    """Images of moments at which something had been written and not been synced."""
    different: int = 0
    """Images that are not the same as another of the run, byte for byte."""
    lost: int = 0
    """Images in which an acknowledged commit is missing."""
    corrupt: int = 0
    recovered: int = 0
    """Different contents that were recovered, and the invariants judged."""
    breaches: tuple[str, ...] = ()
    """What the invariants say of what was recovered."""
    first: str = ""
    """The first that was lost or corrupt, in words."""

    def __add__(self, other: "Looked") -> "Looked":
        return Looked(
            runs=self.runs + other.runs,
            commits=self.commits + other.commits,
            checkpoints=self.checkpoints + other.checkpoints,
            images=self.images + other.images,
            at_risk=self.at_risk + other.at_risk,
            different=self.different + other.different,
            lost=self.lost + other.lost,
            corrupt=self.corrupt + other.corrupt,
            recovered=self.recovered + other.recovered,
            breaches=(*self.breaches, *other.breaches),
            first=self.first or other.first,
        )


@frozen(kw_only=True)
class _Run:
    """What was done to the files, and what was in the store after each commit: (operations done, content)."""

    first: Disk
    operations: tuple[Operation, ...]
    commits: tuple[tuple[int, Content], ...]


@frozen
class _Found:
    """What an image holds; `wrong` says why it cannot be used."""

    content: Content | None = None
    wrong: str = ""


@frozen
class _Looker:
    """Opens images, each that differs once."""

    run: _Run
    path: Path
    known: dict[bytes, _Found] = field(factory=dict)
    recovered: dict[Content, str | None] = field(factory=dict)

    def found(self, image: Image) -> _Found:
        digest = blake2b(digest_size=16)
        for suffix, content in sorted(image.items()):
            digest.update(f"{suffix} {len(content)} ".encode() + content)
        key = digest.digest()
        if key not in self.known:
            self.known[key] = self._open(image)
        return self.known[key]

    def _open(self, image: Image) -> _Found:
        write_files(self.path, image)
        try:
            SQLiteStore(self.path, clock=ManualClock()).close()
            content, wrong = complete_content(self.path)
            one_of_it = content in [committed for _, committed in self.run.commits]
            if content is not None and one_of_it and content not in self.recovered:
                self.recovered[content] = _breach(self.path)
            return _Found(content, wrong.replace("\n", " "))
        except StoreError as error:
            return _Found(wrong=str(error))
        finally:
            remove_files(self.path)


def look(setting: Setting, seed: int, steps: int = STEPS) -> Looked:
    """Run once with these settings, and look at what power losses would leave. Raises NoVFS.

    `steps` are the draws of the run, at most one action each.
    """
    run = _recorded(setting, seed, steps)
    looker = _Looker(run, new_path())
    images = at_risk = lost = corrupt = 0
    first = ""
    for at, risk, kind, image in _images(run, random.Random(f"{seed}:images")):
        images += 1
        at_risk += risk
        found = looker.found(image)
        acknowledged = [content for done, content in run.commits if done <= at]
        place_at_server = [content for done, content in run.commits if done > at][:1]
        if found.content in (acknowledged[-1], *place_at_server):
            continue
        lost += found.content in acknowledged
        corrupt += found.content not in acknowledged
        what = found.wrong or f"commit {_place(run, found.content)} of {len(acknowledged) - 1} acknowledged"
        first = first or f"seed {seed}, after operation {at}, {kind}: {what}"
    return Looked(
        runs=1,
        commits=len(run.commits) - 1,
        checkpoints=sum(operation == Sync("") for operation in run.operations),
        images=images,
        at_risk=at_risk,
        different=len(looker.known),
        lost=lost,
        corrupt=corrupt,
        recovered=len(looker.recovered),
        breaches=tuple([breach for breach in looker.recovered.values() if breach]),
        first=first,
    )


def _place(run: _Run, content: Content | None) -> str:
    places = [str(place) for place, (_, known) in enumerate(run.commits) if known == content]
    return places[-1] if places else "that never was"


def _swap(queue: Queue, pragmas: tuple[str, ...]) -> Queue:
    return with_pragmas(queue, *pragmas) if pragmas else queue


def _recorded(setting: Setting, seed: int, steps: int) -> _Run:
    """A random schedule without a loss of power, in lock-step with the model."""
    pragmas = (*setting.pragmas, *([CHECKPOINT] if seed % 2 else []))
    fault = partial(_swap, pragmas=pragmas)
    chance = random.Random(f"{seed}:schedule")
    bursts = UNRESTRICTED.bursts(SCOPE)
    world = PoweredWorld(QueueSubject(SCOPE, fault), granularity=SCOPE.granularity)
    first = world.database.initial_disk
    with Lockstep(SCOPE, fault, world=world) as lockstep:
        commits = [(0, world.content.everything())]
        for _ in range(steps):
            for action in chance.choice(bursts):
                committed = lockstep.possible(action) and lockstep.apply(action).committed
                commits += [(len(world.database.operations), world.content.everything())] * committed
        return _Run(first=first, operations=tuple(world.database.operations), commits=tuple(commits))


def _images(run: _Run, chance: random.Random) -> Iterator[tuple[int, bool, str, Image]]:
    """After each operation: what a loss of power may leave."""
    disk = run.first
    for at in range(len(run.operations) + 1):
        risk = not disk.all_kept
        yield at, risk, "all of it kept", disk.image(all_of_it)
        yield at, risk, "only what was synced", disk.image(nothing)
        for _ in range(EACH * risk):
            yield at, risk, "some writes", disk.image(some_of(chance))
            yield at, risk, "some sectors", disk.image(torn(chance))
        if at < len(run.operations):
            disk = disk.after(run.operations[at])


def _handle(job: Job, context: Context) -> None:
    context.write(job.payload)


def _breach(path: Path) -> str | None:
    """Recover what is there, by the real queue, until nothing changes; what the invariants say then."""
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
            breach = rule.at_end(ending) if rule.at_end else None
            breach = breach or (rule.on_change(still) if rule.on_change else None)
            if breach:
                return f"{rule.id}: {breach}"
        return None
    finally:
        store.close()
