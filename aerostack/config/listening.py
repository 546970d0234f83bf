"""
The addresses in C{server.listen}.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from aerostack.config.secrets import within
from aerostack.settings.files import readFile
from aerostack.settings.listen import Description

# sun_path holds 108 bytes, the last of which is NUL: unix(7).
_UNIX_PATH = 107


def checkListen(description: Description, base: Path) -> list[str]:
    """
    Check the files and the socket's path in an endpoint string.

    @return: What the operator should change although the daemon can listen, one sentence each.
    @raise ValueError: A file cannot be read, or a path cannot be a socket's.
    """
    warnings: list[str] = []
    for name in ("privateKey", "certKey", "extraCertChain"):
        if name in description.options:
            path = within(base, description.options[name])
            try:
                _, mode = readFile(path)
                if name == "privateKey" and _isForEveryone(path, mode):
                    warnings.append(
                        f"{description.text}: every user of this machine can read the private"
                        f" key; run: chmod o-rw {path}"
                    )
            except OSError as error:
                raise ValueError(
                    f"{description.text}: {name} cannot be read ({error.strerror}): {path}"
                ) from None
    if description.kind == "unix":
        path = within(base, description.options["address"])
        if len(os.fsencode(path)) > _UNIX_PATH:
            raise ValueError(
                f"{description.text}: a socket's path has at most {_UNIX_PATH} bytes: {path}"
            )
    return warnings


def _isForEveryone(path: Path, mode: int) -> bool:
    """
    Whether every user of the machine can read or write a file.

    @param mode: The mode of the file.
    """
    return bool(mode & (stat.S_IROTH | stat.S_IWOTH)) and all(
        folder.stat().st_mode & stat.S_IXOTH for folder in _folders(path)
    )


def _folders(path: Path) -> Sequence[Path]:
    """The directories that lead to a file."""
    return Path(os.path.realpath(path)).parents
