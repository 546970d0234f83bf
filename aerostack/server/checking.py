"""
Finds what keeps a configuration from running on this machine.  All of it blocks, and makes
nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from aerostack.net.endpoints import certificateFiles
from aerostack.net.tls import ReloadableTLS, TLSError
from aerostack.server.findings import Finding, Level
from aerostack.server.occupancy import occupancy
from aerostack.settings.listen import parseDescription
from aerostack.settings.settings import Config


def check(config: Config, logFile: Path | None) -> Iterator[Finding]:
    """
    Look at the addresses, the certificates and the directories of a configuration.

    @param logFile: Where the daemon is to log; L{None} for the terminal.
    """
    for warning in config.warnings:
        yield Finding(Level.WARNING, warning)
    base = config.path.parent
    for listen in config.server.listen:
        description = parseDescription(listen)
        files = certificateFiles(description, base)
        if files is not None:
            try:
                untimely = ReloadableTLS(files).untimely()
            except TLSError as error:
                yield Finding(Level.ERROR, f"server.listen: {listen}: {error}")
            else:
                if untimely is not None:
                    yield Finding(Level.WARNING, f"server.listen: {listen}: {untimely}")
        yield from occupancy(description, base)
    if config.database.path is not None:
        yield from _file("database.url", config.database.path, made=True)
    if logFile is not None:
        yield from _file("--logfile", logFile, made=False)


def _file(key: str, path: Path, made: bool) -> Iterator[Finding]:
    """
    Look whether the daemon can make and write a file, and others beside it.

    @param made: Whether the daemon makes the directories that are missing.
    """
    folder = path.parent
    there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not there.is_dir():
        yield Finding(Level.ERROR, f"{key}: {there} is no directory, so {path} cannot be made")
        return
    if there != folder:
        if not made:
            yield Finding(Level.ERROR, f"{key}: the directory {folder} is missing; make it")
            return
        yield Finding(Level.NOTE, f"{key}: the directory {folder} is missing; the daemon makes it")
    for each in (there, *((path,) if os.path.exists(path) else ())):
        if not os.access(each, os.W_OK):
            yield Finding(
                Level.WARNING, f"{key}: this user may not write to {each}; the daemon's user must"
            )
