"""
Finds the files that stand beside the code: the documentation, units, configurations.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import aerostack

FOLDER = "share/aerostack-rt"
"""The directory of these files in an installation, as C{setup.cfg} has it."""


def findBeside(name: str) -> Path | None:
    """
    Find a file.

    @param name: The file's path in the sources, such as C{systemd/aerostack-rt.service}.  It has
        the same path below L{FOLDER} in an installation.
    @return: L{None} if the installation lacks the file.
    """
    source = Path(aerostack.__file__).parents[1] / name
    if source.is_file():
        return source
    try:
        files = distribution("aerostack-rt").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.as_posix().endswith(f"{FOLDER}/{name}") and path.is_file():
            return path.resolve()
    return None
