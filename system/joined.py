"""Several operations of the queue in one transaction.

An operation opens a transaction of a store. A `Joined` store gives it the transaction that is open already,
so that nothing is durable before the block ends. A policy that asks for one more transaction gets a new one:
what was done before it is committed first, as it is without the joining.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import cast

from system.store import Store, Transaction


class Joined:
    """One transaction, from the beginning of the block to its end. It rolls back if the block raises."""

    def __init__(self, store: Store, *, committed: Callable[[], None]) -> None:
        """`committed` is called when the first transaction is durable, and a policy goes on in a new one."""
        self._store = store
        self._committed = committed
        self._asked = False

    def __enter__(self) -> "Joined":
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    @property
    def store(self) -> Store:
        """The store, for a policy that opens a transaction of it. It must open nothing else."""
        return cast(Store, self)

    def transaction(self) -> AbstractContextManager[Transaction]:
        """The open transaction. The second time that it is asked for, a new one: the first is committed."""
        if self._asked:
            self._open.__exit__(None, None, None)
            self._committed()
            self._begin()
        self._asked = True
        return nullcontext(self.tx)

    def _begin(self) -> None:
        self._open = self._store.transaction()
        self.tx = self._open.__enter__()
        """The open transaction."""
