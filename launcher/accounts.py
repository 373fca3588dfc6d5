"""The operating system account a database server runs as.

PostgreSQL refuses to run as root. Started by root, it runs as `postgres` or
`nobody`, and every folder on its way must be open to that account. We never
loosen the permissions of a folder that we did not make.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

_PREFERRED = ("postgres", "nobody")


class NoAccount(Exception):
    """Root has no unprivileged account to run PostgreSQL as."""


@dataclass(frozen=True)
class Account:
    """A user and the group its files belong to."""

    name: str
    uid: int
    gid: int

    def may_enter(self, folder: Path) -> bool:
        """Tell whether this account can reach `folder` and use what is in it, by the mode bits."""
        if self.uid == 0:
            return True
        folder = folder.resolve()
        return all(self._may_search(step) for step in (folder, *folder.parents))

    def own(self, path: Path) -> None:
        """Give `path` to this account; nothing to do unless we are root."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)

    def _may_search(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def current_account() -> Account:
    """The account of this process."""
    return _account(pwd.getpwuid(os.geteuid()))


def account_for_postgres(data: Path) -> Account:
    """The owner of an existing data directory, or for a new one ourselves, unless we are root."""
    ours = current_account()
    if ours.uid != 0:
        return ours
    if data.exists() and data.stat().st_uid != 0:
        return _account(pwd.getpwuid(data.stat().st_uid))
    for name in _PREFERRED:
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise NoAccount(
        f"PostgreSQL refuses to run as root, and there is no user named {' or '.join(_PREFERRED)}"
    )


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
