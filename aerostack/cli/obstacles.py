"""
What keeps the daemon of a new unit from the files that its configuration names.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aerostack.cli.serverfiles import Wanted, databaseFolder

# Directories that the unit hides from the daemon.
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")

_READ, _ENTER = 4, 1


@dataclass(frozen=True)
class Account:
    """
    A user of the system, as the permissions of files see it.

    @ivar uid: The user's number; L{None} for a user that is yet to be made.
    @ivar groups: The numbers of the user's groups.
    """

    uid: int | None = None
    groups: frozenset[int] = frozenset()


def accountOf(name: str) -> Account:
    """
    Look a user up.
    """
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return Account()
    others = (group.gr_gid for group in grp.getgrall() if name in group.gr_mem)
    return Account(user.pw_uid, frozenset((user.pw_gid, *others)))


def obstacles(wanted: Wanted, account: Account) -> Iterator[str]:
    """
    Find what would keep the daemon from its files.

    @param account: The daemon's user.
    @return: A sentence for each obstacle, which says what to do.
    """
    if _isHidden(wanted.programs):
        yield (
            f"the unit hides {wanted.programs} from the daemon; install aerostack-rt into"
            " /opt/aerostack-rt, and write these files with the command there"
        )
    for path in filter(None, (*(wanted.tls or ()), databaseFolder(wanted.database))):
        if _isHidden(path):
            yield f"the unit hides {path} from the daemon; choose another place"
    for path in wanted.tls or ():
        if not _isHidden(path) and not _mayRead(account, path, wanted.directory):
            yield (
                f"the user {wanted.user} may not read {path}; the page on systemd, under"
                " Certificates, has the lines that copy it after each renewal"
            )


def _isHidden(path: Path) -> bool:
    return any(path.is_relative_to(hidden) for hidden in _HIDDEN)


def _mayRead(account: Account, path: Path, own: Path) -> bool:
    """
    Whether the permissions let a user read a file.  Access lists are not looked at.

    @param own: The directory of the configuration, which the user may enter in any case.
    """
    try:
        target = path.resolve(strict=True)
        folders = {*path.parents, *target.parents} - {own}
        return _allows(account, target.stat(), _READ) and all(
            _allows(account, folder.stat(), _ENTER) for folder in folders
        )
    except OSError:
        # It is missing, which reading the configuration reports; or this user may not look.
        return True


def _allows(account: Account, status: os.stat_result, right: int) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode >> 6 & right)
    if status.st_gid in account.groups:
        return bool(status.st_mode >> 3 & right)
    return bool(status.st_mode & right)
