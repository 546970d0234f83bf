"""
How much memory the system lets the daemon have.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CGROUP = "proc/self/cgroup"
_CONTROL = "sys/fs/cgroup"
_PAGE = os.sysconf("SC_PAGE_SIZE")


def physicalMemory() -> int | None:
    """
    The memory of the machine, bytes; L{None} if the system does not say.
    """
    with suppress(OSError, ValueError):
        pages = os.sysconf("SC_PHYS_PAGES")
        if pages > 0:
            return pages * _PAGE
    return None


def memoryLimit(root: Path = Path("/"), physical: int | None = None) -> int | None:
    """
    How much memory the processes of this one's control group may have together: the smallest limit
    of the group and of those above it (version 2 of cgroups, as systemd and containers set them),
    or what the machine has.

    @param root: Where the files of the system are.
    @param physical: The memory of the machine, bytes.
    @return: Bytes; L{None} if the system does not say.
    """
    return min((*_groupLimits(root), *([] if physical is None else [physical])), default=None)


def _groupLimits(root: Path) -> Iterator[int]:
    """The limits of the groups that this process is in, bytes."""
    try:
        lines = (root / _CGROUP).read_text().splitlines()
    except FileNotFoundError:
        return
    path = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")
    control = root / _CONTROL
    group = control / path.strip("/")
    while True:
        with suppress(OSError, ValueError):
            # Where there is no limit, the file says so with a word.
            yield int((group / "memory.max").read_text())
        if group == control or control not in group.parents:
            return
        group = group.parent
