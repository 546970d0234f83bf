"""
The ids of runs.
"""

from __future__ import annotations

from uuid import uuid4

DIGITS = 12
"""How many hexadecimal digits the id of a run has.  Epochs and connection ids begin with it, and an
epoch has room for as many digits again."""


def newRun() -> str:
    """
    Make the id of one run of one process.  The ids of all runs of all processes differ, so that
    positions, members and log lines of different runs differ.
    """
    return uuid4().hex[:DIGITS]
