"""Turns the driver's errors into StoreErrors: one line that a user can act on.

A message of the server about a statement is passed on. A message of libpq about a connection is not: it
repeats parts of the address, and any of them may be a part of a password. It is replaced by words of this
file.
"""

import errno
import os
import re

import psycopg
from psycopg import errors

from system.postgresql.address import without_host
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
_OPTION = "an option in the address has a value that cannot be used"
_UNKNOWN_HOST = "the name of the host cannot be resolved"
_FAILED = "the connection failed"
_BEFORE_ANSWER = (_OPTION, _UNKNOWN_HOST, _FAILED)
"""Errors at which no host may have answered. Then its name may be a part of a password."""

_OF_CONNECTION = (
    (r"password authentication failed", "the server refused the user or the password"),
    (r"no password supplied", "the server asks for a password, and there is none"),
    (r"authentication failed|pg_hba\.conf", "the server refused the user from here; see its pg_hba.conf"),
    (r"not currently accepting connections", "the database is not currently accepting connections"),
    (r"the database system is", _FOR_NOW["57P03"]),
    (r"too many|connection slots|connection limit", _FOR_NOW["53300"]),
    (r"database .* does not exist", "the server has no such database"),
    (r"role .* (does not exist|is not permitted to log in)", "the server has no such user or role"),
    (r"could not translate host name|failed to resolve host", _UNKNOWN_HOST),
    (r"timeout expired", "no answer in time"),
    (r"closed the connection unexpectedly|connection is lost", "the server closed the connection"),
    (r"the connection is closed", "the connection is closed"),
    (
        r"configuration parameter|invalid value for parameter|command-line arg|permission denied to set",
        _OPTION,
    ),
    (r"invalid .*(value|option|key)|bad value|could not parse|definition of service", _OPTION),
    (r"SSL|TLS|GSS|certificate", "the server and this side cannot agree on encryption; see `sslmode`"),
)
"""For a stable part of each message of libpq or the server on a connection, the words that replace it."""

_TOO_LARGE = "a number of more than 64 bits cannot be kept"
_OF_ADDRESS_CLASSES = ("28", "3D")
"""Codes for a user that is refused, and for a missing database."""

_OF_ADDRESS_ERRORS = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.ProgrammingError)
"""The errors that the driver raises on a connection, without a code."""

_GONE_CLASSES = ("08", "57")
"""Codes for connection exceptions, and for the intervention of an operator or of the server."""


class Explained:
    """Turns the driver's errors into StoreErrors. A class, for speed: every transaction passes here."""

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
            raise self._ours(error) from (None if _may_repeat_the_address(error) else error)

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
        if _may_repeat_the_address(error):
            words = of_connection(error)
            where = without_host(self._where) if words in _BEFORE_ANSWER else self._where
            kind = StoreError if words == _OPTION else StoreUnavailable
            return kind(f"{where}: {words}")
        kind = StoreUnavailable if code.startswith(_GONE_CLASSES) else StoreError
        return kind(f"{self._where}: {_first_line(error)}")

    def _why_again(self, error: psycopg.Error) -> str:
        if isinstance(error, errors.LockNotAvailable):
            return f"a lock was held by another transaction for more than {self._busy_seconds:g} s"
        if isinstance(error, errors.DeadlockDetected):
            return "the server broke a deadlock by ending this transaction"
        return "another transaction was first"


def _may_repeat_the_address(error: psycopg.Error) -> bool:
    if error.sqlstate:
        return error.sqlstate.startswith(_OF_ADDRESS_CLASSES)
    return isinstance(error, _OF_ADDRESS_ERRORS)


def of_connection(error: psycopg.Error) -> str:
    """The reason why there is no connection, in words that repeat no part of its address."""
    text = str(error)
    for pattern, words in _OF_CONNECTION:
        if re.search(pattern, text):
            return words
    causes = [cause for cause in map(os.strerror, errno.errorcode) if cause in text]
    return max(causes, key=len, default=_FAILED)


def _first_line(error: psycopg.Error) -> str:
    """The server's message, in one line."""
    text = error.diag.message_primary or str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


def rule_of(error: psycopg.IntegrityError) -> str:
    """The rule that a row broke, in the words of the schema, or else of the server."""
    said = _first_line(error)
    name = error.diag.constraint_name or said
    return next((words for rule, words in RULES.items() if rule in name), said)
