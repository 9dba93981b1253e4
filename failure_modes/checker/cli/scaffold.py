"""Makes the folder of a new failure mode from the template."""

import re
import shutil
from pathlib import Path

from failure_modes.checker.experiment.catalogue import FOLDER, require_checkout
from failure_modes.checker.support.errors import CallerError

TEMPLATE = FOLDER / "template"
_SUFFIX = ".template"


class NotLaidOut(CallerError):
    """The folder cannot be made. The message has the reason, and correct examples."""


def lay_out(number: str, name: str, *, folder: Path = FOLDER) -> Path:
    """Make the folder `FM_XXX_name`, atomically, and return it. Raises NotLaidOut, NotACheckout."""
    require_checkout()
    wanted = re.fullmatch(r"(?:FM_?)?([0-9]{1,3})", number, re.IGNORECASE)
    if not wanted or not int(wanted.group(1)):
        raise NotLaidOut(f"{number!r} is not the number of a failure mode; write it as FM_015, fm15 or 15")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise NotLaidOut(
            f"{name!r} cannot be a name; use small letters, digits and single underscores, as in torn_commit"
        )
    mode_id = f"FM_{int(wanted.group(1)):03}"
    for other in sorted(folder.glob(f"{mode_id}_*")):
        raise NotLaidOut(f"{mode_id} already exists: {other.name}")
    target = folder / f"{mode_id}_{name}"
    unfinished = folder / f".{target.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(TEMPLATE, unfinished)
    for path in sorted(unfinished.rglob("*")):
        if path.is_file():
            _fill_in(path, mode_id, name)
    unfinished.rename(target)
    return target


def _fill_in(path: Path, mode_id: str, name: str) -> None:
    text = path.read_text(encoding="utf-8")
    title = name.replace("_", " ")
    text = text.replace("FM_XXX title", f"{mode_id} {title}").replace('title="title"', f'title="{title}"')
    text = text.replace("-s fmN", f"-s fm{int(mode_id[3:])}")
    text = text.replace("FM_XXX", mode_id).replace("fmxxx", mode_id.replace("_", "").lower())
    path.write_text(text, encoding="utf-8", newline="\n")
    new_name = path.name.removesuffix(_SUFFIX).replace("fmxxx", mode_id.replace("_", "").lower())
    path.rename(path.with_name(new_name))
