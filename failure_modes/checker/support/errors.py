"""The errors of the checker, by whose fault they are, under one root.

The message of each says what is wrong and what would be right. The command line turns a class into an exit
code in one place (`cli/exits.py`). No class here belongs to a test runner: `failure_modes/conftest.py` makes
a skip of `NotInstalled`. `Found`, `Crashed` and `TimeLimitReached` only end an example: they are no errors.
"""


class CheckerError(Exception):
    """The root. An error of no other class is the checker's own fault."""


class CallerError(CheckerError):
    """The caller's: a name, an option or a combination of them that cannot be used."""


class FileError(CheckerError):
    """A file's: a trace, a checkpoint or kept results that cannot be read. The message names the file."""


class ScenarioError(CheckerError):
    """A scenario's: its `scenario.py` cannot be used."""


class SubjectError(CheckerError):
    """The subject's: the system under test does what the checker cannot account for."""


class MachineError(CheckerError):
    """The machine's: a process of the checker died, or a server could not be started."""


class NotInstalled(MachineError):
    """The machine lacks what is needed. The message says what, and how to install it."""


class LimitReached(CheckerError):
    """A limit was reached before there was an answer."""
