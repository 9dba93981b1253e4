"""PostgreSQL refuses to run as root: two ways for root to run it as someone else."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator

from attrs import frozen


@frozen(kw_only=True)
class Unprivileged:
    """A way to run a program without the rights of root: a command prefix, or another user."""

    prefix: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None


def unprivileged() -> Unprivileged:
    """The way for this process; an empty one if it is not root. Raises OSError if there is no way."""
    if os.geteuid() != 0:
        return Unprivileged()
    way = by_namespace() or by_user()
    if way is None:
        raise OSError("PostgreSQL does not run as root, and there is no other user to run it as")
    return way


def by_namespace() -> Unprivileged | None:
    """A user namespace in which root has another id, and still reads root's files. Linux only, if allowed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    for one in _users():
        for group in ((f"--map-group={one.pw_gid}",), ()):  # older versions have no --map-group
            prefix = (unshare, "--user", f"--map-user={one.pw_uid}", *group)
            probe = subprocess.run([*prefix, "id", "-u"], capture_output=True, encoding="ascii", check=False)
            if probe.returncode == 0 and probe.stdout.strip() == str(one.pw_uid):
                return Unprivileged(prefix=prefix)
    return None


def by_user() -> Unprivileged | None:
    """Another user of this machine, who must be able to read the binaries."""
    for one in _users():
        return Unprivileged(user=one.pw_uid, group=one.pw_gid)
    return None


def _users() -> Iterator[pwd.struct_passwd]:
    """The users other than root that have a name: `initdb` looks it up."""
    for name in ("postgres", "nobody"):
        try:
            yield pwd.getpwnam(name)
        except KeyError:
            continue
