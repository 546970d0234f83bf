"""
The processor time of a fan-out, by one process and by two workers.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from certificate import Certificate
from generator import Generator
from processes import Failed, Server, freePort
from systems import Aerostack

SUBSCRIBERS = 1_000
RATE = 40
"""Publications a second: each goes to all subscribers."""

SHORT, LONG = 1, 11
"""Seconds of publishing.  The difference of two runs has no starting, connecting or stopping."""


class Split(Aerostack):
    """
    The daemon with a number of workers.
    """

    workers = 1

    def configure(self, port: int, certificate: Certificate | None) -> str:
        text = super().configure(port, certificate)
        return text.replace("[server]\n", f"[server]\nworkers = {json.dumps(self.workers)}\n")


@dataclass(frozen=True)
class Used:
    """
    Processor seconds for each second of publishing.

    @ivar busiest: Of the process that uses most.
    @ivar total: Of all processes.
    """

    busiest: float
    total: float


def measure(generator: Generator, workers: int) -> Used:
    """
    Run the daemon with a number of workers under a rate that is below saturation.

    @raise Failed: It did not serve.
    """
    short = _run(generator, workers, SHORT)
    long = _run(generator, workers, LONG)
    # The hub comes first, and then the workers from the least to the most busy.  Which worker got
    # more connections differs between runs.
    spent = [(b - a) / (LONG - SHORT) for a, b in zip(short, long, strict=True)]
    return Used(max(spent), sum(spent))


def _run(generator: Generator, workers: int, seconds: int) -> list[float]:
    """Return the processor seconds of each process."""
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place:
        system = Split(Path(place))
        system.workers = workers
        port = freePort()
        command = system.command(Path(place), port, None)
        server = Server(command, port, Path(place) / "log", system.environ())
        try:
            server.wait()
            phases = ["fanout", f"r{RATE}:{seconds}"]
            generator.drive(
                server, system.dialect, system.credentials, phases, subscribers=SUBSCRIBERS
            )
            first, *others = server.pids()
            if len(others) != (workers if workers > 1 else 0):
                raise Failed(f"{len(others)} workers instead of {workers}: {server.said()}")
            return [_spent(first), *sorted(map(_spent, others))]
        finally:
            server.stop()


def _spent(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
