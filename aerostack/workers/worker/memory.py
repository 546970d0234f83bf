"""
How much memory this process has.
"""

from __future__ import annotations

import os

_STATM = "/proc/self/statm"
_PAGE = os.sysconf("SC_PAGE_SIZE")


def residentMemory() -> int:
    """
    The memory of this process that is in the machine's, bytes; 0 on a system without C{/proc}.
    """
    try:
        with open(_STATM, "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except FileNotFoundError:
        return 0
