"""
What was measured, of all rounds, and what it was measured on.
"""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Results:
    """
    Samples by system and measurement, and what could not be had.

    @ivar versions: What of each system was measured.
    @ivar labels: What each system is called in tables.
    @ivar failures: What failed, in the order of events.
    """

    def __init__(self) -> None:
        self.began = datetime.datetime.now(datetime.UTC)
        self.versions: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.failures: list[tuple[str, str, str]] = []
        self._samples: dict[tuple[str, str], list[Mapping[str, Any]]] = {}

    def add(self, system: str, measurement: str, values: Mapping[str, Any]) -> None:
        """
        Keep one sample.
        """
        self._samples.setdefault((system, measurement), []).append(values)

    def fail(self, system: str, measurement: str, reason: str) -> None:
        """
        Note that there is no sample, and why.
        """
        self.failures.append((system, measurement, reason))

    def has(self, system: str, measurement: str) -> bool:
        """
        Whether there is a sample.
        """
        return (system, measurement) in self._samples

    def values(self, system: str, measurement: str, field: str) -> list[float]:
        """
        A field of every sample, where there is one.
        """
        samples = self._samples.get((system, measurement), [])
        return [sample[field] for sample in samples if sample[field] is not None]

    def median(self, system: str, measurement: str, field: str) -> float | None:
        """
        The median of a field over the rounds, L{None} if there is no sample.
        """
        values = self.values(system, measurement, field)
        return statistics.median(values) if values else None

    def best(self, system: str, measurements: Sequence[str], field: str) -> str | None:
        """
        The measurement with the largest median.
        """
        found = [each for each in measurements if self.has(system, each)]
        return max(found, key=lambda each: self.median(system, each, field) or 0, default=None)

    def asDict(self) -> dict[str, Any]:
        """
        All of it, for JSON.
        """
        return {
            "began": self.began.isoformat(timespec="seconds"),
            "machine": machine(),
            "versions": self.versions,
            "failures": [
                {"system": system, "measurement": measurement, "reason": reason}
                for system, measurement, reason in self.failures
            ],
            "samples": [
                {"system": system, "measurement": measurement, "rounds": rounds}
                for (system, measurement), rounds in self._samples.items()
            ],
        }


def machine() -> str:
    """
    A description of the machine, in one line.
    """
    model = _field("/proc/cpuinfo", "model name") or platform.machine()
    memory = int((_field("/proc/meminfo", "MemTotal") or "0").split()[0]) / (1 << 20)
    name = _field("/etc/os-release", "PRETTY_NAME", "=") or platform.system()
    return (
        f"{len(os.sched_getaffinity(0))} processors ({model}), {memory:.0f} GB of memory, "
        f"{name.strip(chr(34))}, Linux {platform.release()}"
    )


def _field(path: str, name: str, separator: str = ":") -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(separator)
        if key.strip() == name:
            return value.strip()
    return ""
