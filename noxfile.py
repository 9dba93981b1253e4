"""The sessions. Plain `nox` runs what CI runs; `nox --list` shows the rest.

A session `fmN` is made for each folder `failure_modes/FM_XXX_*`: adding a failure mode adds its session. What
stands after `--` goes to the command that the session runs; no session reads an option itself.

Sessions share three environments in `.nox`: `checker` holds what the checker needs to run, and nothing else;
`postgresql` holds a server, too; `dev` holds all. One is installed when pyproject.toml or Python changed.
"""

import hashlib
import re
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "tests"]
nox.options.default_venv_backend = "none"

ROOT = Path(__file__).parent
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
FAILURE_MODES = sorted(
    folder.name for folder in (ROOT / "failure_modes").glob("FM_*") if re.match(r"FM_\d{3}_", folder.name)
)

GUARDED_SCOPES = (
    "--jobs 2 --workers 2 --ticks 2 --crashes 1 --failures 1 --reconciles 1",
    "--jobs 1 --workers 2 --ticks 1 --crashes 1 --granularity statement",
)
"""In which the guarded system is proved, besides the scope of each failure mode."""

GUARDED_EXAMPLES = {"sqlite": "20000", "postgresql": "2000"}
"""How many examples the long search tries at each granularity."""

POSTGRESQL_SCOPES = (
    "--jobs 2 --workers 2 --ticks 1 --crashes 1",
    "--jobs 1 --workers 2 --ticks 0 --crashes 1 --granularity statement",
)
"""In which it is proved on PostgreSQL, where a step costs more."""

IN_PARALLEL = ("-n", "auto", "--dist", "worksteal", "--durations", "20", "--durations-min", "5")
"""Options of pytest: one process a core; a process that has nothing to do takes tests of another; and the
slowest tests are listed."""


def _requirements(name: str) -> tuple[str, ...]:
    """What an environment holds."""
    if name == "dev":
        return ("-e", str(ROOT), *nox.project.dependency_groups(PYPROJECT, "dev"))
    project, server = PYPROJECT["project"], nox.project.dependency_groups(PYPROJECT, "server")
    extras = project["optional-dependencies"]
    more = (*extras["postgresql"], *server) if name == "postgresql" else ()
    return (*project["dependencies"], *extras["checker"], *extras["page"], *extras["cluster"], *more)


def _environment(session: nox.Session, name: str) -> str:
    """The Python of an environment, which is installed if it is not there, or not up to date."""
    folder = Path(session.cache_dir).parent / name
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp, wanted = folder / "installed", _digest(name)
    if not stamp.exists() or stamp.read_text() != wanted:
        virtualenv = (sys.executable, "-m", "virtualenv", "--quiet", "--clear")
        session.run_always(*virtualenv, str(folder), external=True)
        pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        session.run_always(*pip, *_requirements(name), external=True)
        stamp.write_text(wanted)
    return str(python)


def _digest(name: str) -> str:
    """Changes whenever an environment has to be installed anew."""
    parts = (name, str(ROOT), sys.executable, sys.version, (ROOT / "pyproject.toml").read_text("utf-8"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _python(session: nox.Session, *arguments: str, environment: str = "dev") -> None:
    python = _environment(session, environment)
    path = {"PYTHONPATH": str(ROOT), "FAILURE_MODES_IN_NOX": "1" if environment != "dev" else ""}
    session.run(python, *arguments, env=path, external=True)


def _checker(session: nox.Session, *arguments: str, environment: str = "checker") -> None:
    _python(session, "-m", "failure_modes", *arguments, environment=environment)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff and mypy."""
    _python(session, "-m", "ruff", "check", ".")
    _python(session, "-m", "ruff", "format", "--check", ".")
    _python(session, "-m", "mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests but the slow ones. Arguments after `--` go to pytest."""
    _python(session, "-m", "pytest", *IN_PARALLEL, *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """The slow tests: those that repeat other tests with more seeds or examples."""
    _python(session, "-m", "pytest", *IN_PARALLEL, "-m", "slow", *session.posargs)


@nox.session(python=["3.11", "3.12", "3.13", "3.14"], venv_backend="virtualenv", reuse_venv=True)
def versions(session: nox.Session) -> None:
    """The tests on each Python that is at hand: the same trace gives the same text on all of them."""
    session.install("--quiet", *_requirements("dev"))
    session.run("pytest", "-n", "auto", *(session.posargs or ["tests/checker", "tests/test_kept_traces.py"]))


@nox.session
def find(session: nox.Session) -> None:
    """Find the break of a failure mode: `nox -s find -- FM_001 --seed 7`."""
    _checker(session, "find", *session.posargs)


@nox.session
def replay(session: nox.Session) -> None:
    """Run a kept trace again: `nox -s replay -- TRACE [--guarded]`."""
    _checker(session, "replay", *session.posargs)


@nox.session
def page(session: nox.Session) -> None:
    """Traces as pages for a browser: `nox -s page -- TRACE`; or all kept traces, with an index."""
    _checker(session, "page", *(session.posargs or ["--all"]), environment="postgresql")


@nox.session
def explore(session: nox.Session) -> None:
    """Search freely on the guarded system: `nox -s explore -- --examples 5000 --granularity statement`."""
    _checker(session, "explore", *session.posargs)


@nox.session
def guarded(session: nox.Session) -> None:
    """The long search: random settings and every fault, at each granularity, on both stores."""
    for store, examples in GUARDED_EXAMPLES.items():
        for granularity in ("transaction", "statement"):
            options = ["--store", store, "--granularity", granularity, "--examples", examples]
            options += ["--random-settings", "--every-fault", "--reach-all"]
            _checker(session, "explore", *options, *session.posargs, environment="postgresql")


@nox.session
def prove(session: nox.Session) -> None:
    """Every reachable state: of each failure mode, and of the guarded system in larger scopes."""
    for name in FAILURE_MODES:
        _checker(session, "prove", name[:6], *session.posargs, environment=_environment_of(name))
    for scope in GUARDED_SCOPES:
        _checker(session, "prove", *scope.split(), *session.posargs)


@nox.session
def cost(session: nox.Session) -> None:
    """What a proof costs, by its scope: `nox -s cost -- --write` writes the table of docs/proving.md."""
    _python(session, "-m", "tests.cost", *session.posargs)


@nox.session
def seeds(session: nox.Session) -> None:
    """Each failure mode with ten seeds: found each time, and minimised to the shortest trace."""
    _checker(session, "seeds", *session.posargs, environment="postgresql")
    _checker(session, "docs")


@nox.session
def times(session: nox.Session) -> None:
    """How long `run` takes for each failure mode, for the index: run nothing beside it."""
    _checker(session, "times", *session.posargs, environment="postgresql")
    _checker(session, "docs")


@nox.session
def matrix(session: nox.Session) -> None:
    """Each policy switched off alone: which invariants break, and by how short a trace."""
    _checker(session, "matrix", *session.posargs)


@nox.session
def fidelity(session: nox.Session) -> None:
    """Random schedules and kept traces, simulated and with real processes: what they leave is the same."""
    _checker(session, "fidelity", *session.posargs)


@nox.session
def postgresql(session: nox.Session) -> None:
    """All on PostgreSQL; or one command: `nox -s postgresql -- run FM_001 --store postgresql`."""
    commands = [session.posargs] if session.posargs else _on_postgresql()
    for arguments in commands:
        _checker(session, *arguments, environment="postgresql")


def _on_postgresql() -> list[list[str]]:
    """Every failure mode, and the guarded system in larger scopes, statement by statement, and twice."""
    store = ["--store", "postgresql"]
    searches = [
        ["explore", *store, "--granularity", granularity, "--examples", "1000", "--reach-all"]
        for granularity in ("transaction", "statement")
    ]
    proofs = [["prove", *store, *scope.split()] for scope in POSTGRESQL_SCOPES]
    return [["run", *store], *proofs, *searches, ["repeat"]]


@nox.session
def power(session: nox.Session) -> None:
    """Let power fail after each file operation of a run: what the disk may have kept is opened and judged."""
    _checker(session, "power", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """Real processes, killed and stopped at random moments: nothing is lost, duplicated or stuck."""
    _checker(session, "chaos", *session.posargs)


@nox.session
def judge(session: nox.Session) -> None:
    """Judge another queue: `nox -s judge -- failure_modes.judged.litequeue.adapter:LITEQUEUE`."""
    _python(session, "-m", "failure_modes", "judge", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What the queue costs, beside its peers, and the searches: `nox -s bench -- queue --jobs 5000`."""
    for peer in nox.project.dependency_groups(PYPROJECT, "bench"):
        pip = (_environment(session, "dev"), "-m", "pip", "install", "--quiet")
        session.run(*pip, peer, success_codes=(0, 1), external=True)  # one that is missing is said to be
    _python(session, "-m", "tests.bench", *session.posargs)


@nox.session
def train(session: nox.Session) -> None:
    """Katas: mend broken policies in a folder of your own; each save is judged: `nox -s train -- FOLDER`."""
    _checker(session, "train", *session.posargs, environment="postgresql")


@nox.session
def mutants(session: nox.Session) -> None:
    """Mutate the code; tests must notice: `nox -s mutants -- --minutes 30 'system.policies.*'`."""
    for tool in nox.project.dependency_groups(PYPROJECT, "mutants"):
        session.run(_environment(session, "dev"), "-m", "pip", "install", "--quiet", tool, external=True)
    _python(session, "-m", "tests.mutants", *session.posargs)


@nox.session
def new(session: nox.Session) -> None:
    """Make the folder of a new failure mode: `nox -s new -- FM_099 name`."""
    _checker(session, "new", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated documents anew."""
    _checker(session, "docs", *session.posargs)


def _environment_of(name: str) -> str:
    """The environment of a failure mode: with a server, if its scenario needs one."""
    scenario = (ROOT / "failure_modes" / name / "scenario.py").read_text(encoding="utf-8")
    return "postgresql" if "store=StoreKind.POSTGRESQL" in scenario else "checker"


def _failure_mode_session(name: str) -> None:
    identity, title = name[:6], name[7:].replace("_", " ")

    def session_of_failure_mode(session: nox.Session) -> None:
        _checker(session, "run", identity, *session.posargs, environment=_environment_of(name))

    session_of_failure_mode.__doc__ = (
        f"{identity} {title}: find the break, try the fix, prove both, replay the kept traces."
    )
    nox.session(name=f"fm{int(identity[3:])}")(session_of_failure_mode)


for _name in FAILURE_MODES:
    _failure_mode_session(_name)
