"""
What the system gives this process.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from pathlib import Path

_FILES = "self/fd"

OLD = 10.0
"""Seconds for which a number of open files holds.  Old kernels have to list all of them."""


class Usage:
    """
    The processor time, the memory and the open files of this process, under the names that
    Prometheus' own libraries give them.
    """

    def __init__(
        self,
        seconds: Callable[[], float],
        memory: Callable[[], int],
        proc: Path = Path("/proc"),
    ) -> None:
        """
        @param seconds: A clock.
        @param memory: Gives the resident memory of this process, bytes.
        @param proc: Where the system shows its processes.
        """
        self._seconds = seconds
        self._memory = memory
        self._proc = proc
        self._files: tuple[float, int] | None = None

    def values(self) -> Mapping[str, float]:
        """
        The values by the names of the metrics.  Those that the system does not tell are missing.
        """
        found: dict[str, float] = {
            "process_cpu_seconds_total": time.process_time(),
            "process_resident_memory_bytes": self._memory(),
        }
        with suppress(OSError):
            found["process_open_fds"] = self._openFiles()
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        found["process_max_fds"] = inf if most == resource.RLIM_INFINITY else most
        return found

    def _openFiles(self) -> int:
        now = self._seconds()
        if self._files is not None and now < self._files[0] + OLD:
            return self._files[1]
        path = self._proc / _FILES
        # Linux tells the number since 6.2.
        count = path.stat().st_size or len(os.listdir(path))
        self._files = now, count
        return count
