"""The driver's errors, turned into ours: one line that a user can act on."""

import psycopg
from psycopg import errors

from system.schema import RULES, refused
from system.store import StoreBusy, StoreError, StoreUnavailable

_AGAIN = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)
_FOR_NOW = {
    "53100": "the server's disk is full; make room on it",
    "53200": "the server is out of memory",
    "53300": "the server has no connection left; end some, or raise max_connections",
    "58030": "the server's disk failed to read or write; its log may say why",
    "25006": "the server takes no writes: it may be a standby",
    "57P01": "the connection was ended from the server's side",
    "57P02": "the server has crashed, and is starting again",
    "57P03": "the server takes no connections now: it is starting or stopping",
    "57P05": "the server ended a session that was idle for too long",
    "25P03": "the server ended a transaction that was left alone for too long",
}
_TOO_LARGE = "a number of more than 64 bits cannot be kept"
_GONE_CLASSES = ("08", "57")
"""Connection exceptions, and what an operator or the server's end does to a connection."""


class Explained:
    """Turns the driver's errors into ours. A class, because it is on the path of every transaction."""

    def __init__(self, where: str, busy_seconds: float) -> None:
        self._where = where
        self._busy_seconds = busy_seconds

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, UnicodeEncodeError):
            raise StoreError(f"{self._where}: text that is not valid Unicode cannot be kept") from error
        if isinstance(error, OverflowError):
            raise StoreError(f"{self._where}: {_TOO_LARGE}") from error
        if isinstance(error, psycopg.Error):
            raise self._ours(error) from error

    def _ours(self, error: psycopg.Error) -> StoreError:
        code = error.sqlstate or ""
        if isinstance(error, _AGAIN):
            return StoreBusy(f"{self._where}: {self._why_again(error)}; nothing happened, try again")
        if code in _FOR_NOW:
            return StoreUnavailable(f"{self._where}: {_FOR_NOW[code]}")
        if isinstance(error, errors.NumericValueOutOfRange):
            return StoreError(f"{self._where}: {_TOO_LARGE}")
        if isinstance(error, psycopg.DataError) and "NUL" in str(error):
            return StoreError(f"{self._where}: PostgreSQL cannot keep text with a null byte")
        if isinstance(error, psycopg.IntegrityError):
            return StoreError(f"{self._where}: {refused(rule_of(error))}")
        gone = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not code
        if gone or code.startswith(_GONE_CLASSES):
            return StoreUnavailable(f"{self._where}: {first_line(error)}")
        return StoreError(f"{self._where}: {first_line(error)}")

    def _why_again(self, error: psycopg.Error) -> str:
        if isinstance(error, errors.LockNotAvailable):
            return f"a lock was held by another transaction for more than {self._busy_seconds:g} s"
        if isinstance(error, errors.DeadlockDetected):
            return "the server broke a deadlock by ending this transaction"
        return "another transaction was first"


def first_line(error: psycopg.Error) -> str:
    """What the server or the driver said, in one line."""
    text = error.diag.message_primary or str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


def rule_of(error: psycopg.IntegrityError) -> str:
    """The rule that a row was against: in our words, or else in the server's."""
    return RULES.get(error.diag.constraint_name or "") or error.diag.message_primary or str(error)
