"""
Which daemons have an SQLite file open, on Linux.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROCESSES = Path("/proc")

_DAEMON = b"aerostack-rt"


def daemons(path: Path, processes: Path = PROCESSES) -> Iterator[int]:
    """
    Find the daemons that have a file open.  The system shows the files of other users' processes to
    root only.

    @param path: The file.
    @param processes: The directory in which the system shows the processes.
    @return: The numbers of the processes; nothing where the system does not show them.
    """
    with suppress(OSError):
        wanted = _identify(path)
        for process in sorted(processes.iterdir()):
            # A process may end meanwhile, or be another user's.
            with suppress(OSError):
                if process.name.isdecimal() and _isDaemon(process) and wanted in _files(process):
                    yield int(process.name)


def _identify(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _isDaemon(process: Path) -> bool:
    # twistd gets the name of the service as an argument of its own; a command of ours has a path.
    return _DAEMON in (process / "cmdline").read_bytes().split(b"\0")[1:]


def _files(process: Path) -> Iterator[tuple[int, int]]:
    for each in (process / "fd").iterdir():
        with suppress(OSError):
            yield _identify(each)
