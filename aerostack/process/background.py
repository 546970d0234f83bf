"""
The daemon in the background, as C{twistd} starts it without C{--nodaemon}.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

# How many bytes the process that the operator started reads.
_READ = 100


def reportRefusal(twistd: Mapping[str, Any], reason: str) -> None:
    """
    Remove the file of the daemon's process id, and tell the process that the operator started why
    the daemon does not start.  C{twistd} does both itself for every L{Exception}, but not for
    L{SystemExit}: the process that the operator started would wait for ever.

    @param twistd: The options of C{twistd}.  C{statusPipe} is the descriptor of the pipe to that
        process; the daemon has none in the foreground.
    @param reason: Why the daemon does not start.
    """
    if twistd.get("pidfile"):
        with suppress(OSError):
            os.unlink(twistd["pidfile"])
    pipe = twistd.get("statusPipe")
    if pipe is not None:
        # The parent takes two characters for the exit status, and prints the rest.
        os.write(pipe, f"1 {reason}".encode()[:_READ])
        os.close(pipe)
