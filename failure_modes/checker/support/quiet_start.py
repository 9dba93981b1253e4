"""Imported by the fork server alone: a child that loses its parent while it starts prints no traceback.

The parent writes to the child what it has to do. If the parent is interrupted before, the child reads to the
end of the pipe, and Python would print a traceback of that. Any other error is printed as always.
"""

import sys
from types import TracebackType

_usual = sys.excepthook


def _hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if kind is not EOFError:
        _usual(kind, error, traceback)


sys.excepthook = _hook
