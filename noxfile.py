"""The sessions. Plain `nox` runs what CI runs; `nox --list` shows the rest.

A session `fmN` is made for each folder `failure_modes/FM_XXX_*`: adding a failure mode adds its session.
"""

import re
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "tests"]
nox.options.reuse_venv = "yes"

ROOT = Path(__file__).parent
FAILURE_MODES = sorted(
    folder.name for folder in (ROOT / "failure_modes").glob("FM_*") if re.match(r"FM_\d{3}_", folder.name)
)

GUARDED_SCOPES = (
    "--jobs 2 --workers 2 --ticks 2 --crashes 1 --failures 1 --reconciles 1",
    "--jobs 1 --workers 2 --ticks 1 --crashes 1 --granularity statement",
)
"""In which the guarded system is proved, besides the scope of each failure mode."""

POSTGRESQL_SCOPES = (
    "--jobs 2 --workers 2 --ticks 1 --crashes 1",
    "--jobs 1 --workers 2 --ticks 0 --crashes 1 --granularity statement",
)
"""In which it is proved on PostgreSQL, where a step costs more."""

IN_PARALLEL = ("-n", "auto", "--dist", "worksteal")
"""Options of pytest: one process a core, and a process that has nothing to do takes tests of another."""


def _install(session: nox.Session) -> None:
    """The checkout and its dependency group `dev`, with any pip."""
    group = nox.project.dependency_groups(nox.project.load_toml(ROOT / "pyproject.toml"), "dev")
    session.install("--quiet", "-e", ".", *group)


def _checker(session: nox.Session, *arguments: str) -> None:
    session.run("python", "-m", "failure_modes", *arguments)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff and mypy."""
    _install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests but the slow ones. Arguments after `--` go to pytest."""
    _install(session)
    session.run("pytest", *IN_PARALLEL, *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """The slow tests: those that repeat other tests with more seeds or examples."""
    _install(session)
    session.run("pytest", *IN_PARALLEL, "-m", "slow", *session.posargs)


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def versions(session: nox.Session) -> None:
    """The tests on each Python that is at hand: the same trace gives the same text on all of them."""
    _install(session)
    session.run("pytest", "-n", "auto", *(session.posargs or ["tests/checker", "tests/test_kept_traces.py"]))


@nox.session
def replay(session: nox.Session) -> None:
    """Run a kept trace again: `nox -s replay -- TRACE [--guarded]`; all of them without a TRACE."""
    _install(session)
    if session.posargs:
        _checker(session, "replay", *session.posargs)
    else:
        for name in FAILURE_MODES:
            _replay_kept(session, name)


@nox.session
def explore(session: nox.Session) -> None:
    """Hunt freely on the guarded system: `nox -s explore -- --examples 5000 --granularity statement`."""
    _install(session)
    _checker(session, "explore", *session.posargs)


@nox.session
def guarded(session: nox.Session) -> None:
    """The long hunt: 20,000 examples at each granularity, and everything must have been reached."""
    _install(session)
    for granularity in ("transaction", "statement"):
        _checker(
            session,
            "explore",
            "--granularity",
            granularity,
            "--examples",
            "20000",
            "--reach-all",
            *session.posargs,
        )


@nox.session
def prove(session: nox.Session) -> None:
    """Every reachable state: of each failure mode, and of the guarded system in larger scopes."""
    _install(session)
    for name in FAILURE_MODES:
        _checker(session, "prove", name[:6], *session.posargs)
    for scope in GUARDED_SCOPES:
        _checker(session, "prove", *scope.split(), *session.posargs)


@nox.session
def cost(session: nox.Session) -> None:
    """What a proof costs, by its scope: a table of 27 scopes, a minute each at most."""
    _install(session)
    session.run("python", "-m", "tests.cost", *session.posargs)


@nox.session
def seeds(session: nox.Session) -> None:
    """Each failure mode with ten seeds: found each time, and shrunk to the shortest trace there is."""
    _install(session)
    _checker(session, "seeds", *session.posargs)
    _checker(session, "docs")


@nox.session
def times(session: nox.Session) -> None:
    """How long the session of each failure mode takes, for the index: run nothing beside it."""
    _install(session)
    _checker(session, "times", *session.posargs)
    _checker(session, "docs")


@nox.session
def matrix(session: nox.Session) -> None:
    """Each policy switched off alone: which invariants break, and by how short a trace."""
    _install(session)
    _checker(session, "matrix", *session.posargs)


@nox.session
def fidelity(session: nox.Session) -> None:
    """Random schedules and kept traces, simulated and with real processes: what they leave is the same."""
    _install(session)
    _checker(session, "fidelity", *session.posargs)


@nox.session
def postgresql(session: nox.Session) -> None:
    """Every failure mode on PostgreSQL, and the guarded system there, statement by statement."""
    _install(session)
    _checker(session, "all", "--store", "postgresql", *session.posargs)
    for scope in POSTGRESQL_SCOPES:
        _checker(session, "prove", "--store", "postgresql", *scope.split())
    for granularity in ("transaction", "statement"):
        options = ("--granularity", granularity, "--examples", "1000", "--reach-all")
        _checker(session, "explore", "--store", "postgresql", *options)
    _checker(session, "repeat")


@nox.session
def power(session: nox.Session) -> None:
    """Let power fail after each file operation of a run: what the disk may have kept is opened and judged."""
    _install(session)
    _checker(session, "power", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Real processes, killed and stopped at random moments: nothing is lost, duplicated or stuck.

    With `--store postgresql` connections are cut and the server crashes, too.
    """
    _install(session)
    _checker(session, "chaos", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What the queue costs, beside its peers, and the searches: `nox -s bench -- queue --jobs 5000`."""
    _install(session)
    for peer in nox.project.dependency_groups(nox.project.load_toml(ROOT / "pyproject.toml"), "bench"):
        session.install("--quiet", peer, success_codes=(0, 1))  # one that is missing is said to be
    session.run("python", "-m", "tests.bench", *session.posargs)


@nox.session
def new(session: nox.Session) -> None:
    """Lay out a new failure mode: `nox -s new -- FM_099 name`."""
    _install(session)
    _checker(session, "new", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated documents anew."""
    _install(session)
    _checker(session, "docs", *session.posargs)


def _replay_kept(session: nox.Session, name: str, *options: str) -> None:
    traces = sorted((ROOT / "failure_modes" / name / "traces").glob("*.json"))
    paths = [trace.relative_to(ROOT).as_posix() for trace in traces]
    _checker(session, "replay", *paths, *options)
    _checker(session, "replay", *paths, "--guarded", *options)


def _store_of(options: list[str]) -> list[str]:
    """Of the options of `find` the one that each stage has: the store."""
    for at, option in enumerate(options):
        if option == "--store":
            return options[at : at + 2]
        if option.startswith("--store="):
            return [option]
    return []


STAGES = ("repro", "prevent", "prove", "replay")


def _failure_mode_session(name: str) -> None:
    identity, title = name[:6], name[7:].replace("_", " ")

    def session_of_failure_mode(session: nox.Session) -> None:
        _install(session)
        only = [argument for argument in session.posargs if argument in STAGES]
        options = [argument for argument in session.posargs if argument not in only]
        if not only or "repro" in only:
            _checker(session, "find", identity, *options)
        if not only or "prevent" in only:
            _checker(session, "prevent", identity, *_for_prevent(options))
        if not only or "prove" in only:  # its options are other ones: they are taken when it runs alone
            _checker(session, "prove", identity, *(options if only == ["prove"] else _store_of(options)))
        if not only or "replay" in only:
            _replay_kept(session, name, *_store_of(options))

    session_of_failure_mode.__doc__ = (
        f"{identity} {title}: find the break, try the fix, prove both, replay the kept traces. "
        "After `--`: repro, prevent, prove, replay, and any option of find."
    )
    nox.session(name=f"fm{int(identity[3:])}")(session_of_failure_mode)


def _for_prevent(options: list[str]) -> list[str]:
    """The options of `find` that `prevent` has too: all but those about keeping a trace."""
    kept: list[str] = []
    skip = False
    for option in options:
        if not skip and option.partition("=")[0] not in ("--keep", "--why"):
            kept.append(option)
        skip = option in ("--keep", "--why")
    return kept


for _name in FAILURE_MODES:
    _failure_mode_session(_name)
