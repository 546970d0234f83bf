"""
How SQLite compares names, and which names are taken.
"""

from __future__ import annotations

INTERNAL_PREFIXES = ("sqlite_", "_aerostack_", "realtime_")

EMITTED = "aerostack_emit"
"""The table into which transactions insert the events that they emit."""


def fold(name: str) -> str:
    """
    Give the form by which SQLite compares names: only ASCII letters fold.
    """
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in name)


def isInternal(name: str) -> bool:
    """
    Whether a table of that name is SQLite's or the daemon's own.
    """
    folded = fold(name)
    return folded == EMITTED or folded.startswith(INTERNAL_PREFIXES)
