"""
What the scenes of token streams work with: the daemon, a model, and many watchers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certificate import Certificate
from pairs import running
from processes import LOAD_CPU, Failed, onProcessor
from systems import SECRET_KEY, Aerostack
from tools import aside
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from upstream import wordOf

from aerostack.client.sdk import TwistedSDK

HERE = Path(__file__).parent

MODEL = "m"

PATIENCE = 120.0
"""Seconds that a program may take to do what it is asked."""


@dataclass(frozen=True)
class Bench:
    """
    What a scene is measured with.

    @ivar quick: Whether the scene is only to show that it works, with small numbers.
    @ivar cache: A directory that systems know, and that the daemon does not use.
    """

    reactor: Any
    quick: bool
    cache: Path

    def sleep(self, seconds: float) -> Deferred[None]:
        """
        Return what fires after a while.
        """
        return deferLater(self.reactor, seconds, lambda: None)


class StreamDaemon(Aerostack):
    """
    The daemon with a model.
    """

    def __init__(self, cache: Path, model: int) -> None:
        """
        @param model: The port of the model.
        """
        super().__init__(cache)
        self._model = model

    def configure(self, port: int, certificate: Certificate | None) -> str:
        text = super().configure(port, certificate)
        text = text.replace(
            "[projects.bench]\n", f"[projects.bench]\nmodels = {json.dumps([MODEL])}\n"
        )
        return f"{text}[ai.models.{MODEL}]\nurl = {json.dumps(modelURL(self._model))}\n"


def modelURL(port: int) -> str:
    """
    Return the address of a model.
    """
    return f"http://127.0.0.1:{port}/v1/chat/completions"


def question(words: int, rate: float, hangs: bool = False) -> dict[str, Any]:
    """
    Return a request for an answer of some words; see C{bench/upstream.py}.
    """
    asked = json.dumps({"words": words, "rate": rate, "hangs": hangs})
    return {"messages": [{"role": "user", "content": asked}]}


def answerOf(words: int) -> str:
    """
    Return the text of an answer of some words.
    """
    return "".join(map(wordOf, range(words)))


class Program:
    """
    A program of this directory, which runs on the processor of the load.
    """

    def __init__(self, name: str, *arguments: object) -> None:
        with onProcessor(LOAD_CPU):
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / name), *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

    def line(self) -> str:
        """
        Read a line that it writes.

        @raise Failed: It has ended.
        """
        assert self._process.stdout is not None, "it is a pipe"
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"{self._process.args} ended with {self._process.wait()}")
        return line.strip()

    def ask(self) -> str:
        """
        Write a line, and read one.
        """
        assert self._process.stdin is not None, "it is a pipe"
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.line()

    def stop(self) -> None:
        """
        End it.
        """
        self._process.kill()
        self._process.communicate()


@contextmanager
def program(name: str, *arguments: object) -> Iterator[Program]:
    """
    Run a program of this directory.
    """
    started = Program(name, *arguments)
    try:
        yield started
    finally:
        started.stop()


@dataclass(frozen=True)
class Served:
    """
    A daemon that runs.

    @ivar port: Where it listens.
    @ivar pid: Its process.
    @ivar model: The program that stands for the model.
    @ivar modelPort: Where that listens.
    """

    port: int
    pid: int
    sdk: TwistedSDK
    model: Program
    modelPort: int


@asynccontextmanager
async def served(bench: Bench) -> AsyncIterator[Served]:
    """
    Run a daemon and a model.
    """
    with (
        tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place,
        program("upstream.py") as model,
    ):
        modelPort = int(model.line())
        systems = [StreamDaemon(bench.cache, modelPort)]
        async with aside(running(systems, Path(place))) as (server,):
            url = f"http://127.0.0.1:{server.port}"
            sdk = TwistedSDK(bench.reactor, url, SECRET_KEY, projectId="bench")
            try:
                yield Served(server.port, server.pids()[0], sdk, model, modelPort)
            finally:
                await sdk.close()


@asynccontextmanager
async def watched(port: int, topics: int, each: int) -> AsyncIterator[Program]:
    """
    Let many clients watch; see C{bench/onlookers.py}.
    """
    async with aside(program("onlookers.py", port, topics, each)) as onlookers:
        await deferToThread(onlookers.line)
        yield onlookers


async def settled(bench: Bench, onlookers: Program, streams: Sequence[str], all: int) -> Any:
    """
    Wait until every watcher has the ends of streams.

    @param all: How many watchers each stream has.
    @return: What they have; see L{onlookers.summary}.
    @raise Failed: They did not get them.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        found = json.loads(await deferToThread(onlookers.ask))
        ended = [_ended(found["streams"].get(name, {})) for name in streams]
        if found["lost"]:
            raise Failed(f"{found['lost']} watchers have lost their connections")
        if all * len(streams) == sum(ended):
            return found
        if time.monotonic() > deadline:
            raise Failed(f"watchers have {sum(ended):,} of {all * len(streams):,} ends")
        await bench.sleep(0.2)


def _ended(found: dict[str, int]) -> int:
    return sum(count for text, count in found.items() if not text.endswith(" 0"))
