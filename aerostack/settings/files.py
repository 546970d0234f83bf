"""
Reads the files that an operator names: the configuration, credentials and certificates.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST = 4_194_304
"""How many bytes such a file may have."""


def readFile(path: Path) -> tuple[bytes, int]:
    """
    Read a file, without ever waiting for another program and without reading without end: a daemon
    reads its files again while it serves clients.

    @return: The file's content, and its mode.
    @raise OSError: The file cannot be read, is no regular file, or is too large.
    """
    with open(path, "rb", opener=_open) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        content = file.read(MOST + 1)
    if len(content) > MOST:
        raise OSError(errno.EFBIG, f"it has more than {MOST} bytes", str(path))
    return content, mode


def _open(path: str, flags: int) -> int:
    # To open a pipe that no program writes to would wait for one.
    return os.open(path, flags | os.O_NONBLOCK)
