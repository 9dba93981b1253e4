"""The payload on the command line: JSON text that is kept unchanged, or is refused in one line."""

import json
import math
import sys
from collections import Counter
from decimal import Decimal, DecimalException

from system.queue import DEPTH_MAX, DIGITS_MAX, TEXT_MAX, InvalidJob, to_json


class Unreadable(ValueError):
    """The payload cannot be used. The message says what is wrong, and gives a correct example."""


def read_payload(given: str) -> object:
    """The value of an argument that is JSON text, or `-` for stdin. Raises Unreadable."""
    return _parsed(_stdin() if given == "-" else given)


def _stdin() -> str:
    if sys.stdin is None:
        raise Unreadable("PAYLOAD is -, and stdin is closed")
    try:
        given = sys.stdin.buffer.read(TEXT_MAX + 1)
        if len(given) > TEXT_MAX:
            raise Unreadable(f"PAYLOAD on stdin is longer than {TEXT_MAX:,} bytes")
        return given.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"PAYLOAD on stdin is not UTF-8: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise Unreadable(f"PAYLOAD cannot be read from stdin: {error}") from error


def _parsed(text: str) -> object:
    def refuse(name: str) -> object:
        raise ValueError(f"{name} is not a JSON number")

    try:
        text.encode()  # an argument that is not UTF-8 arrives as lone surrogates
        value: object = json.loads(
            text,
            parse_constant=refuse,
            parse_int=_integer,
            parse_float=_number,
            object_pairs_hook=_without_repetition,
        )
        to_json(value)
    except UnicodeEncodeError as error:
        raise Unreadable(f"PAYLOAD is not UTF-8 at character {error.start}") from error
    except InvalidJob as error:
        raise Unreadable(f"PAYLOAD is {error}") from error
    except RecursionError as error:
        raise Unreadable(
            f"PAYLOAD is not JSON that can be kept: nested more than {DEPTH_MAX} deep"
        ) from error
    except ValueError as error:
        hint = """such as '{"amount": 5}' or '"text"', quoted for the shell"""
        raise Unreadable(f"PAYLOAD is not JSON: {error}; give JSON text {hint}") from error
    return value


def _integer(text: str) -> int:
    """The number, unless it has more digits than every reader accepts."""
    digits = len(text.lstrip("-"))
    if digits > DIGITS_MAX:
        too_many = f"a whole number has {digits:,} digits, and {DIGITS_MAX:,} are the most"
        raise InvalidJob(f"JSON that cannot be kept: {too_many}; put it in quotes")
    return int(text)


def _number(text: str) -> float:
    """The number, if it keeps all digits of the text. An infinite number is refused later."""
    value = float(text)
    if not math.isfinite(value) or repr(value) == text:
        return value
    digits = len(text.lower().partition("e")[0].replace(".", "").lstrip("-0"))
    try:
        kept = Decimal(text) in (Decimal(repr(value)), Decimal(f"{value:.{digits}g}"))
    except DecimalException:  # an exponent that no number has
        kept = False
    if not kept:
        raise InvalidJob(
            f"JSON that cannot be kept: {shortened(text)} would become {value!r}; put it in quotes"
        )
    return value


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        [(name, count)] = Counter(name for name, _ in pairs).most_common(1)
        raise InvalidJob(
            f"JSON that cannot be kept: an object has the name {shortened(repr(name))} {count} times"
        )
    return value


def shortened(text: str) -> str:
    """The text, or how it begins if it is long."""
    return text if len(text) <= 100 else f"{text[:100]}..."
