"""
The results of all rounds, and the machine.
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
    Samples by system and measurement, and failures.

    @ivar versions: The version of each system.
    @ivar labels: The name of each system in tables.
    @ivar failures: The failures, in order.
    """

    def __init__(self) -> None:
        self.began = datetime.datetime.now(datetime.UTC)
        self.versions: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.failures: list[tuple[str, str, str]] = []
        self._samples: dict[tuple[str, str], list[Mapping[str, Any]]] = {}

    def add(self, system: str, measurement: str, values: Mapping[str, Any]) -> None:
        """
        Add one sample.
        """
        self._samples.setdefault((system, measurement), []).append(values)

    def fail(self, system: str, measurement: str, reason: str) -> None:
        """
        Record that there is no sample, and why.
        """
        self.failures.append((system, measurement, reason))

    def has(self, system: str, measurement: str) -> bool:
        """
        Return whether there is a sample.
        """
        return (system, measurement) in self._samples

    def values(self, system: str, measurement: str, field: str) -> list[float]:
        """
        Return a field of every sample that has it.
        """
        samples = self._samples.get((system, measurement), [])
        return [sample[field] for sample in samples if sample[field] is not None]

    def median(self, system: str, measurement: str, field: str) -> float | None:
        """
        Return the median of a field over the rounds; L{None} if there is no sample.
        """
        values = self.values(system, measurement, field)
        return statistics.median(values) if values else None

    def best(self, system: str, measurements: Sequence[str], field: str) -> str | None:
        """
        Return the measurement with the largest median.
        """
        found = [each for each in measurements if self.has(system, each)]
        return max(found, key=lambda each: self.median(system, each, field) or 0, default=None)

    def asDict(self) -> dict[str, Any]:
        """
        Return everything, for JSON.
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
    Describe the machine in one line.
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
