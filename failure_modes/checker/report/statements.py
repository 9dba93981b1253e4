"""A statement as people read it: its parameters are in their places, and its result is in one line."""

import re
from enum import Enum
from typing import Any

from attrs import frozen

from failure_modes.checker.simulation.stepping import StatementResult

ROWS_MAX = 4
"""Rows of a result that are shown."""
_BYTES_MAX = 4
_PLACE = re.compile(r"\?|%s")
_KEYWORDS = re.compile(
    r"\b(BEGIN|IMMEDIATE|COMMIT|ROLLBACK|SELECT|FROM|WHERE|AND|OR|NOT|IS|NULL|INSERT|INTO|VALUES|UPDATE|SET|"
    r"DELETE|ORDER|BY|LIMIT|DESC|UNION|ALL|WITH|AS|RETURNING|FOR|SKIP|LOCKED|LEFT|JOIN|LATERAL|ON|IN|EXISTS|"
    r"LOCK|TABLE|CASE|WHEN|THEN|ELSE|END|FALSE|TRUE|true)\b"
)


@frozen(kw_only=True)
class Piece:
    """A piece of a statement: `key` for a word of SQL, `value` for a parameter, else empty."""

    text: str
    kind: str


@frozen(kw_only=True)
class Statement:
    """A statement and its result. `writes`: it changes rows."""

    pieces: tuple[Piece, ...]
    result: str
    error: str
    writes: bool

    @property
    def text(self) -> str:
        """The statement with its parameters in their places."""
        return "".join([piece.text for piece in self.pieces])


def statement_of(ran: StatementResult) -> Statement:
    """The statement that ran."""
    parts = _PLACE.split(ran.sql)
    if len(parts) == len(ran.parameters) + 1:
        pieces = _words(parts[0])
        for value, part in zip(ran.parameters, parts[1:], strict=True):
            pieces += [Piece(text=literal(value), kind="value"), *_words(part)]
    else:
        values = ", ".join([literal(value) for value in ran.parameters])
        pieces = [*_words(ran.sql), Piece(text=f" ({values})", kind="value")]
    verb = ran.sql.split(None, 1)[0].upper()
    return Statement(
        pieces=tuple([piece for piece in pieces if piece.text]),
        result=_result(ran),
        error=ran.problem or "",
        writes=verb in ("INSERT", "UPDATE", "DELETE") or (verb == "WITH" and "INSERT" in ran.sql),
    )


def literal(value: Any) -> str:
    """A value as SQL writes it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bytes):
        return f"x'{value[:_BYTES_MAX].hex()}{'…' * (len(value) > _BYTES_MAX)}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def _words(text: str) -> list[Piece]:
    parts = _KEYWORDS.split(re.sub(r"\s+", " ", text))
    return [Piece(text=part, kind="key" if number % 2 else "") for number, part in enumerate(parts)]


def _result(ran: StatementResult) -> str:
    if not ran.columns:
        return ""
    if not ran.rows:
        return "no row"
    shown = [f"({', '.join([literal(value) for value in row])})" for row in ran.rows[:ROWS_MAX]]
    more = f" and {len(ran.rows) - ROWS_MAX} more" if len(ran.rows) > ROWS_MAX else ""
    return ", ".join(shown) + more
