"""Our queue, as the first subject of the simulation: see the port in `simulation/subject.py`.

The layouts declared here must agree with the schema of the queue; a test compares them. The queue that runs
is the queue of a user, changed only by the fault.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from attrs import evolve, frozen

from failure_modes.checker.experiment.scope import Fault, Scope, StoreKind, build_queue
from failure_modes.checker.simulation.process_context import ProcessContext
from failure_modes.checker.simulation.subject import Client, Layout, Program
from failure_modes.checker.subject.programs import beat, produce, reconcile, work
from model.actions import PRODUCER
from system.clock import ManualClock
from system.queue import Queue
from system.schema import UNIQUE
from system.sqlite import SQLiteStore
from system.store import Store

LAYOUT = Layout(
    tables=("jobs", "executions", "effects", "retries", "breaker"),
    numbered=("jobs", "executions", "effects"),
    audit="audit",
    times=frozenset(["enqueued_at", "available_at", "lease_expires_at", "begun_at", "open_until_at"]),
    ids={"job_id": "jobs", "execution_id": "executions"},
    records={"Job": "jobs", "Execution": "executions", "Effect": "effects"},
)
"""The layout on SQLite."""

LAYOUT_AT_SERVER = evolve(
    LAYOUT,
    numbered=("jobs", "executions", "effects", "retries"),
    times=LAYOUT.times | {"now_at", "floor"},
    skips_locked="jobs",
)
"""The layout on PostgreSQL: one more table has a last id, answers have the time that they were read at (one
of them without a name of its own), and transactions may overlap."""

_STORES = ("system.sqlite.store.SQLiteStore", "system.postgresql.store.PostgreSQLStore")
"""The stores by name, since the driver of PostgreSQL need not be installed."""


@frozen
class QueueSubject:
    """Our queue in one scope, on one store, with one fault or none."""

    scope: Scope
    fault: Fault

    @property
    def layout(self) -> Layout:
        """The tables of the queue."""
        return LAYOUT if self._on_sqlite else LAYOUT_AT_SERVER

    @property
    def database(self) -> str:
        """The kind of database: with the unique indexes of the schema, or without."""
        return "queue" if self.scope.constraints else "queue-loose"

    @property
    def calls_gateway(self) -> bool:
        """True if the handlers call the gateway."""
        return self.scope.settings.external

    def programs(self) -> Mapping[str, Program]:
        """The workers, the producer, the reconcilers, and the second threads of the workers."""
        workers, reconcilers = self.scope.names, self.scope.reconciler_names
        program = partial(work, fused=True) if self.scope.settings.fused else work
        others = dict.fromkeys(reconcilers, reconcile) | dict.fromkeys(self.scope.thread_names, beat)
        return dict.fromkeys(workers, program) | {PRODUCER: produce} | others

    def create(self, location: str) -> None:
        """Make an empty queue."""
        store: Any
        if self._on_sqlite:
            store = SQLiteStore(location, clock=ManualClock(), create=True)
        else:
            store = _store_at_server()(location, create=True)
        if not self.scope.constraints:
            drop_constraints_of(store)
        store.close()

    def prepare(self, location: str) -> None:
        """Build the queue once, so that a fault of the disk makes its settings in the file."""
        store = SQLiteStore(location, clock=ManualClock())
        build_queue(store, self.scope.settings, self.fault)
        store.close()

    def observe(self, location: str, *, clock: Any, connect: Callable[[str], Any], create: bool) -> Store:
        """Open a store that reads the rows."""
        if not self._on_sqlite:
            at_server: Store = _store_at_server()(location, connect=connect)
            return at_server
        store = SQLiteStore(location, clock=clock, create=create, connect=connect)
        if create and not self.scope.constraints:
            drop_constraints_of(store)
        return store

    def open(self, process: Client, location: str) -> Queue:
        """Open the queue for a process."""
        options: dict[str, Any] = {"connect": process.connect, "tokens": constant_token}
        if self.scope.rollback:
            options["tokens"] = cast(ProcessContext, process).token
        store: Store
        if self._on_sqlite:
            store = SQLiteStore(location, clock=process, **options)
        else:  # without a clock, as in production: the time is the server's
            store = _store_at_server()(location, **options)
        process.end_set_up()
        if process.files_stay and isinstance(store, SQLiteStore):
            store._files._opened.clear()  # noqa: SLF001 (a check of each file would cost more than the statements)
        return build_queue(store, self.scope.settings_of(process.name), self.fault)

    def keeps_nothing(self, part: Any) -> bool:
        """True for the stores, which keep nothing between two transactions."""
        return f"{type(part).__module__}.{type(part).__qualname__}" in _STORES

    def allows_answers_only(self, observer: Store) -> bool:
        """True if the store is one of ours: it keeps nothing in memory between two operations of a job."""
        return self.keeps_nothing(build_queue(observer, self.scope.settings, self.fault).store)

    @property
    def _on_sqlite(self) -> bool:
        return self.scope.store is StoreKind.SQLITE


def drop_constraints_of(store: Any) -> None:
    """Drop the unique indexes of an open queue: with them, some faults do no harm."""
    with store._connections.one() as connection:  # noqa: SLF001 (a store runs no statement of others)
        for name in UNIQUE:
            connection.execute(f"DROP INDEX {name}")


def constant_token() -> str:
    """The token of all jobs and executions in a world whose store is never set back."""
    return "token"


def _store_at_server() -> Any:
    from system.postgresql import PostgreSQLStore

    return PostgreSQLStore
