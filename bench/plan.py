"""
What all scenes of a comparison share: their size, the load generator, and a system that runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from certificate import Certificate
from generator import Generator
from processes import Failed, Server, freePort
from system import System

Measurement = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Plan:
    """
    The size of the scenes.

    @ivar seconds: How long each rate is held.
    @ivar sizes: Numbers of subscribers.
    @ivar crowd: How many clients connect at once, and how many with TLS.
    @ivar rooms: The sizes of small rooms.
    @ivar idle: How many clients are silent beside a trickle, and for how many seconds.
    @ivar rungs: How many rates they are offered, at most.
    @ivar back: How many clients reconnect, and how many events each has missed.
    @ivar tokens: For how many seconds token streams grow.
    @ivar joins: How many clients come late one by one, and how many at once.
    """

    rounds: int = 3
    seconds: float = 2
    sizes: tuple[int, ...] = (100, 1_000, 10_000)
    crowd: tuple[int, int] = (10_000, 2_000)
    rooms: tuple[int, ...] = (2, 10, 50)
    rungs: int = 20
    idle: tuple[int, float] = (10_000, 10)
    back: tuple[int, int] = (1_000, 1_000)
    tokens: float = 8
    joins: tuple[int, int] = (20, 1_000)


QUICK = Plan(
    rounds=1,
    seconds=1,
    sizes=(100, 1_000),
    crowd=(1_000, 200),
    rooms=(2,),
    rungs=3,
    idle=(1_000, 4),
    back=(200, 200),
    tokens=2,
    joins=(5, 200),
)


class Bench:
    """
    The tools of the scenes.
    """

    def __init__(self, generator: Generator, plan: Plan, certificate: Certificate) -> None:
        self.generator = generator
        self.plan = plan
        self.certificate = certificate

    @contextmanager
    def running(self, system: System, tls: bool = False) -> Iterator[Callable[..., Any]]:
        """
        Start a system anew, and end it.

        @return: Runs a scene of the generator against it.
        """
        with self.started(system, tls) as (_, drive):
            yield drive

    @contextmanager
    def started(
        self, system: System, tls: bool = False
    ) -> Iterator[tuple[Server, Callable[..., Any]]]:
        """
        Start a system anew, and end it.

        @return: The system that runs, and what runs a scene of the generator against it.
        """
        with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as name:
            directory, port = Path(name), freePort()
            command = system.command(directory, port, self.certificate if tls else None)
            server = Server(command, port, directory / "log", system.environ())
            try:
                server.wait()
                drive = partial(
                    self.generator.drive, server, system.dialect, system.credentials, tls=tls
                )
                try:
                    yield server, drive
                except Failed as failed:
                    raise Failed(f"{failed} ({server.said()})") from None
            finally:
                server.stop()


Run = Callable[[Bench, System], Iterator[Measurement]]
"""Measures one system."""
