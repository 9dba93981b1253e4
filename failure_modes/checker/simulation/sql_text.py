"""What the text of a statement says: its verb, its table, its row lock, and a label of one or two words."""

import re
from functools import cache


@cache
def verb_of(sql: str) -> str:
    """The first word of a statement; after WITH, the first verb that changes rows."""
    verb = sql.split(None, 1)[0].upper()
    if verb != "WITH":
        return verb
    changing = re.search(r"(?<!FOR )(?<!FOR NO KEY )\b(?:INSERT|UPDATE|DELETE)\b", sql)
    return changing.group() if changing else "SELECT"


@cache
def label(sql: str) -> str:
    """A statement in one or two words: its verb and its table."""
    verb = verb_of(sql)
    if verb in ("BEGIN", "COMMIT", "ROLLBACK"):
        return verb
    table = table_of(sql)
    return f"{verb} {table}" if table else verb


@cache
def table_of(sql: str) -> str | None:
    """The first table that a statement names. `extract(epoch FROM pg_catalog.…)` names none."""
    found = re.search(r"\b(?:FROM|INTO|UPDATE)\s+(?!pg_catalog\b)(\w+)", sql)
    return found.group(1) if found else None


@cache
def lock_of(sql: str) -> str:
    """The strength of the first row lock that a statement takes, as SQL says it after FOR."""
    found = re.search(r"\bFOR ((?:NO KEY )?UPDATE|(?:KEY )?SHARE)\b", sql)
    return found.group(1) if found else "UPDATE"
