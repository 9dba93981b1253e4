"""The errors of the checker, under one root. Each class says where the fault is.

The message of each says what is wrong and what would be right. The command line turns a class into an exit
code in one place (`cli/exits.py`). No class here belongs to a test runner: `failure_modes/conftest.py` makes
a skip of `NotInstalled`. `Found`, `Crashed` and `TimeLimitReached` end an example and are not errors.
"""


class CheckerError(Exception):
    """The root. An error outside of its subclasses is a bug of the checker."""


class CallerError(CheckerError):
    """The caller gave a name, an option or a combination of options that cannot be used."""


class FileError(CheckerError):
    """A trace, a checkpoint or a file of results cannot be read. The message names the file."""


class ScenarioError(CheckerError):
    """A `scenario.py` cannot be used."""


class SubjectError(CheckerError):
    """The subject's: the system under test does what the checker cannot account for."""


class MachineError(CheckerError):
    """The machine failed: a process of the checker died, or a server did not start."""


class NotInstalled(MachineError):
    """The machine lacks a program or a package. The message names it and says how to install it."""


class LimitReached(CheckerError):
    """A limit was reached before the answer was known."""
