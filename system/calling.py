"""Calls a handler, which is code of the user.

A handler may fork. The forked process is no worker: when it returns from the handler, it ends and writes
nothing. Everything that it has from its parent, the store included, belongs to the parent.
"""

import inspect
import os
from typing import NoReturn

from system.context import Context, Handler
from system.output import escaped, one_line
from system.store import Job


def call(handler: Handler, job: Job, context: Context) -> None:
    """Call the handler. Raises the handler's exception, and TypeError if it is a coroutine or a generator."""
    process = os.getpid()
    try:
        answer = handler(job, context)
        if inspect.isawaitable(answer) or inspect.isgenerator(answer) or inspect.isasyncgen(answer):
            raise TypeError(f"the handler did not run: it gave back {type(answer).__name__}, not a result")
    except BaseException as error:
        if os.getpid() != process:
            _leave(describe(error))
        raise
    if os.getpid() != process:
        _leave(None)


def _leave(failure: str | None) -> NoReturn:
    """End a process that a handler forked."""
    try:
        if failure is not None:
            os.write(2, f"a process that the handler forked has failed: {one_line(failure)}\n".encode())
    finally:
        os._exit(0 if failure is None else 1)


def describe(error: BaseException) -> str:
    """Its type and its text, of which 2,000 characters at most; its type alone if it has no text.

    What is not printable ASCII is an escape: not every database keeps a null byte.
    """
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:  # its __str__ raises
        text = type(error).__name__
    return escaped(text[:2000]).encode("ascii", "backslashreplace").decode("ascii")
