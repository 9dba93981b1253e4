"""The rows of a table on which the result of a query depends, where its text says more than their table.

Two forms are known. A query that takes the rows with some words in a column depends on no other row. A query
that asks if there is a row with a value in a column depends on no other column. In each other query the whole
table counts.
"""

import re
from functools import cache

from failure_modes.checker.proof.seen_step import EVERY, Read

_BEFORE_PARENTHESIS = {"FROM", "IN", "EXISTS"}
"""The words before a parenthesis that call no function. A function may fail at a row that is not taken."""


@cache
def rows_read(table: str, sql: str) -> Read:
    """The rows of the table on which the result of this query depends."""
    whole = (table, None, None)
    if not {*re.findall(r"(\w+)\s*\(", sql)} <= _BEFORE_PARENTHESIS:
        return whole
    mentions = len(re.findall(rf"\b{table}\b(?!\.)", sql))
    asked = re.findall(rf"EXISTS \(SELECT 1 FROM {table} WHERE {table}\.(\w+) = \w+\.\w+\)", sql)
    if len(asked) == mentions and len({*asked}) == 1:
        return table, asked[0], EVERY
    taken = re.findall(rf"FROM {table} WHERE (\w+) IN \(('\w+'(?:, '\w+')*)\) AND ", sql)
    if len(taken) == mentions and len({*taken}) == 1 and not re.search(r"\bOR\b", sql.upper()):
        column, words = taken[0]
        return table, column, frozenset(re.findall(r"\w+", words))
    return whole
