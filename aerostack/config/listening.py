"""
The addresses in C{server.listen}.
"""

from __future__ import annotations

import os
from pathlib import Path

from aerostack.config.secrets import within
from aerostack.settings.listen import Description

# sun_path holds 108 bytes, the last of which is NUL: unix(7).
_UNIX_PATH = 107


def checkListen(description: Description, base: Path) -> None:
    """
    Check the files and the socket's path in an endpoint string.

    @raise ValueError: A file cannot be read, or a path cannot be a socket's.
    """
    for name in ("privateKey", "certKey", "extraCertChain"):
        if name in description.options:
            path = within(base, description.options[name])
            try:
                path.open("rb").close()
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
