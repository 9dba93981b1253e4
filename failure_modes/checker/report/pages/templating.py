"""Makes HTML from the templates in this folder. Each text of a run is escaped; a page loads nothing.

The same values give the same bytes. The policy in the head of each page forbids every request, and allows no
script but the one of the page.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from failure_modes.checker.support.errors import NotInstalled

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


class NoTemplates(NotInstalled):
    """The library that fills the templates is not installed."""


def filled(template: str, *, script: str, **values: Any) -> str:
    """The HTML of a template. `script` is the file of its one script. Raises NoTemplates."""
    code = (TEMPLATES / script).read_text("utf-8")
    digest = b64encode(sha256(code.encode()).digest()).decode()
    style = (TEMPLATES / "style.css").read_text("utf-8")
    found = _environment().get_template(template)
    return found.render(style=_raw(style), script=_raw(code), script_digest=digest, **values)


def filled_alone(template: str, **values: Any) -> str:
    """The text of a template that has no script, and its style within. Raises NoTemplates."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> "Environment":
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise NoTemplates(
            f"{error.name} is not installed; do `pip install 'reliability-habits[page]'`"
        ) from error
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _raw(text: str) -> Any:
    """Text of this folder, which is not escaped."""
    from markupsafe import Markup

    return Markup(text)
