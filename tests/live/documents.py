"""
Shared documents on Yjs: programs on Node.js with the unmodified packages.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tests.live.program import ProgramTests
from tests.net import Child
from tests.web import HERE, Workshop, program

RESTART = "restart\n"

CONFIG = '[history]\npage_size = 50\n[topics."doc/*"]\ncompact = true\n'
"""The daemon's configuration for documents, with small pages."""


class Programs:
    """
    The programs of one test.
    """

    def __init__(self, test: ProgramTests) -> None:
        self._test = test
        names = ("editors.js", "opening.js", "random.js", "reader.js")
        apps = [HERE / "apps" / name for name in names]
        self._folder = Workshop(test.directory / "workshop", apps).folder

    def _start(self, app: str, *arguments: object) -> Child:
        command = [str(self._folder / f"{app}.js"), *map(str, arguments)]
        child = Child.spawn(self._test.reactor, command, program=program("node"))
        self._test.addCleanup(child.kill)
        return child

    async def converge(
        self,
        ports: Sequence[int],
        seeds: Sequence[int],
        edits: int,
        restart: Sequence[Callable[[], Awaitable[None]]],
    ) -> None:
        """
        Let editors write documents at random, and compare these.

        @param ports: The ports of the daemons that the editors use.
        @param seeds: One for each document.
        @param edits: How many random steps each document sees.
        @param restart: Functions that each restart a daemon while the editors write.
        """
        urls = ",".join(f"http://127.0.0.1:{port}" for port in ports)
        child = self._start("editors", urls, edits, len(restart), *seeds)
        for number, call in enumerate(restart, 1):
            await child.wrote(RESTART * number)
            await call()
            child.transport.write(b"restarted\n")
        status = await child.ended
        self._test.assertEqual(status, 0, child.output + child.errors)
        lines = child.output.replace(RESTART, "").splitlines()
        found = {line.split(" ", 2)[0]: line.split(" ", 2)[1] for line in lines}
        self._test.assertEqual(found, {str(seed): "ok" for seed in seeds}, child.output)

    async def show(self, app: str, port: int, argument: object) -> dict[str, Any]:
        """
        Run a program that prints what it has seen.
        """
        child = self._start(app, f"http://127.0.0.1:{port}", argument)
        status = await child.ended
        self._test.assertEqual(status, 0, child.output + child.errors)
        seen: dict[str, Any] = json.loads(child.output)
        return seen
