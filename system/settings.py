"""The values that a setting may have. Each kind has one check, for Python and for the command line.

A setting that passes fits every database: sums of times in milliseconds stay within 64 bits.
"""

from collections.abc import Callable
from typing import Any

SECONDS_LEAST = 0.001
SECONDS_MAX = 1_000_000_000
"""About thirty years."""

BUSY_SECONDS_MAX = 86_400
"""A day: the databases count this wait in milliseconds of 32 bits."""

WHOLE_LEAST, WHOLE_MAX = -(2**63), 2**63 - 1
_SHOWN_MAX = 50


class InvalidSetting(ValueError):
    """A setting cannot have this value. The message names it, and says what it may be."""


def why_not_seconds(value: object, *, least: float = SECONDS_LEAST, most: float = SECONDS_MAX) -> str | None:
    """The reason why this is no number of seconds within the limits; None if it is one."""
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return None
    return f"{_shown(value)} is not a number of seconds from {least:g} to {most:,}"


def check_seconds(
    name: str, value: object, *, least: float = SECONDS_LEAST, most: float = SECONDS_MAX
) -> None:
    """Raise InvalidSetting if this is no number of seconds within the limits."""
    if why := why_not_seconds(value, least=least, most=most):
        raise InvalidSetting(f"{name}: {why}")


def check_integer(name: str, value: object, *, least: int = 1) -> None:
    """Raise InvalidSetting if this is no whole number from `least` on that fits 64 bits."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= WHOLE_MAX:
        return
    raise InvalidSetting(f"{name}: {_shown(value)} is not a whole number from {least:,} to {WHOLE_MAX:,}")


Validator = Callable[[Any, Any, Any], None]


def seconds(least: float = SECONDS_LEAST) -> Validator:
    """A validator for a field that holds seconds."""
    return lambda _, field, value: check_seconds(field.name, value, least=least)


def integer(least: int = 1) -> Validator:
    """A validator for a field that holds a whole number."""
    return lambda _, field, value: check_integer(field.name, value, least=least)


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**_SHOWN_MAX:  # Python may refuse to write it out
        return "a number of so many digits"
    text = ascii(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."
