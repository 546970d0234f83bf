"""
Whether token streams come to their ends when parts of the daemons are killed, and whether all have
the same text then.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters import AWAY, Cluster, Nodes, Single, Workers
from killedwriters import producers
from killplan import Plan, spread
from numbered import AnyPort
from stores import KEY
from streamtexts import STREAMING, Kept, Ledger, Readings, Totals, words
from streamwriters import (
    MODEL,
    Desk,
    EmitWriter,
    FrameWriter,
    RelayWriter,
    SDKWriter,
    Writer,
)
from systems import SECRET_KEY
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.threads import deferToThread
from twisted.web.server import Site

from aerostack.client.answers import Answer
from aerostack.client.errors import ClientError
from aerostack.client.realtime import RealtimeClient
from aerostack.client.sdk import TwistedSDK
from aerostack.testing.models import ModelServer
from aerostack.testing.models import words as modelWords

FRAMES, SDK, RELAYS, EMITS = (f"ai-chat/{name}" for name in ("frames", "sdk", "relays", "emits"))
TOPICS = (FRAMES, SDK, RELAYS, EMITS)

WATCHERS = 4
"""How many clients watch all topics from the beginning."""

SETTLING = 90.0
"""Seconds that the last streams have to end, and their watchers to come back."""

QUIET = 2.0
"""Seconds for which nothing may change before the end."""

TOLD = 20
"""After how many kills a line says how far it is."""

EXPLAINED = 4
"""How many faults of each kind are explained."""

Make = Callable[[Path, random.Random, str], Cluster]


@dataclass(frozen=True)
class Trial:
    """
    What is killed.

    @ivar what: In words.
    @ivar make: Makes the daemons, with more lines for the configuration.
    @ivar grace: Seconds that others may take to find the death, besides the lease.
    @ivar clusters: How many clusters share the kills, at the same time.
    """

    what: str
    make: Make
    grace: float = 0.0
    clusters: int = 1


def _workers(directory: Path, chance: random.Random, project: str) -> Cluster:
    return Workers(directory, chance, 2, project)


def _nodes(directory: Path, chance: random.Random, project: str) -> Cluster:
    return Nodes(directory, chance, True, ("node",), outages=AWAY, project=project)


KILLS: dict[str, Trial] = {
    "producer": Trial("a producer", Single),
    "daemon": Trial("the daemon", Single),
    # A daemon ends if five workers die within a minute.
    "worker": Trial("one of 2 workers", _workers, clusters=4),
    # A stream that no database has ends up to 25 seconds after the last sign of it.
    "node": Trial("one of 2 nodes, AOF always", _nodes, grace=24.0),
}


class Crowd:
    """
    Clients that watch all topics, and come back when their connections are lost.

    @ivar readings: What each of them has.
    """

    def __init__(self, reactor: Any, ports: Sequence[int]) -> None:
        self.readings: list[Readings] = []
        self._reactor = reactor
        self._ports = ports
        self._clients = MultiService()
        self._clients.startService()
        # A client forgets channels that the application does not hold.
        self._channels: list[Any] = []

    async def join(self) -> None:
        """
        Let one more client watch.
        """
        client = RealtimeClient(
            self._reactor,
            f"ws://127.0.0.1:{self._ports[0]}",
            projectId="bench",
            apiKey=KEY,
            endpoint=AnyPort(self._reactor, self._ports, len(self.readings)),
        )
        client.setServiceParent(self._clients)
        readings = Readings()
        self.readings.append(readings)
        for topic in TOPICS:
            channel = client.channel(topic)
            self._channels.append(channel)
            channel.on("*", readings.frame)
            channel.onSubscribed(readings.subscribed)
            channel.answers.onChange(lambda answer: self._view(readings, answer))
            await channel.subscribe()

    def _view(self, readings: Readings, answer: Answer) -> None:
        readings.view(answer.id, answer.state, answer.text)

    def isWhole(self) -> bool:
        """
        Return whether all clients are connected, and have what they subscribed to.
        """
        return all(each.status == "connected" for each in self._clients.services)

    def streaming(self) -> int:
        """
        Count what clients still show as streaming.
        """
        return sum(
            each.state == STREAMING
            for readings in self.readings
            for each in readings.streams.values()
        )

    async def stop(self) -> None:
        """
        Disconnect all.
        """
        await self._clients.stopService()


@asynccontextmanager
async def model(reactor: Any, pieces: Sequence[str], pause: float) -> AsyncIterator[str]:
    """
    Run the server of a model.

    @param pieces: What it answers.
    @param pause: Seconds between two pieces.
    @return: Lines for the daemon's configuration of its project.
    """
    server = ModelServer(reactor, modelWords(*pieces, pause=pause))
    listener = reactor.listenTCP(0, Site(server), interface="127.0.0.1")
    url = f"http://127.0.0.1:{listener.getHost().port}/v1/chat/completions"
    try:
        yield (
            f'secret_key = "{SECRET_KEY}"\nmodels = ["{MODEL}"]\n'
            f'[ai.models.{MODEL}]\nurl = "{url}"\n[log]\nlevel = "warn"\n'
        )
    finally:
        await listener.stopListening()


async def run(
    reactor: Any, name: str, kills: int, minutes: float | None, chance: random.Random
) -> tuple[int, Totals]:
    """
    Kill while streams run.

    @param name: One of L{KILLS}.
    @param kills: How often to kill.
    @param minutes: After how many minutes to kill no more; L{None} for no such bound.
    @return: How many kills there were, and what became of the streams.
    @raise Failed: A part did not come back.
    """
    done, totals = 0, Totals()
    for count, found in await spread(
        KILLS[name].clusters,
        kills,
        minutes,
        chance,
        lambda plan, own: _run(reactor, name, plan, own),
    ):
        done += count
        totals += found
    return done, totals


async def _run(reactor: Any, name: str, plan: Plan, chance: random.Random) -> tuple[int, Totals]:
    """Kill in one cluster."""
    answer = words(80)
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place:
        directory = Path(place)
        directory.chmod(0o755)
        async with model(reactor, answer, 0.05) as settings:
            cluster = KILLS[name].make(directory, chance, settings)
            try:
                await deferToThread(cluster.start)
                desk = Desk(reactor, cluster.ports, Ledger(), chance)
                crowd = Crowd(reactor, cluster.ports)
                try:
                    for _ in range(WATCHERS):
                        await crowd.join()
                    if name == "producer":
                        done = await producers(desk, FRAMES, plan)
                    else:
                        done = await _parts(desk, name, cluster, plan, "".join(answer))
                    return done, await _settle(desk, crowd, name)
                finally:
                    await crowd.stop()
            finally:
                await deferToThread(cluster.stop)


async def _parts(desk: Desk, name: str, cluster: Cluster, plan: Plan, answer: str) -> int:
    """Kill parts of the daemons while producers write."""
    writers: list[Writer] = [
        *(FrameWriter(desk, FRAMES, number) for number in range(4)),
        *(SDKWriter(desk, SDK, number) for number in range(2)),
        *(RelayWriter(desk, RELAYS, number, answer) for number in range(2)),
        EmitWriter(desk, EMITS, 0),
    ]
    running = [Deferred.fromCoroutine(each.run()) for each in writers]
    stopped = DeferredList(running, fireOnOneErrback=True, consumeErrors=True)
    failed: list[Any] = []
    stopped.addErrback(failed.append)
    done = 0
    try:
        while plan.goesOn(done) and not failed:
            await desk.sleep(desk.chance.uniform(0.5, 4))
            desk.ledger.events.append(time.time())
            await deferToThread(cluster.kill)
            desk.ledger.events.append(time.time())
            done += 1
            if not done % TOLD:
                print(f"{name}: {done} kills", file=sys.stderr, flush=True)
    finally:
        for each in writers:
            each.stop()
    await stopped
    if failed:
        failed[0].value.subFailure.raiseException()
    for each in writers:
        if isinstance(each, SDKWriter):
            await each.close()
    return done


async def _settle(desk: Desk, crowd: Crowd, name: str) -> Totals:
    """Wait until all streams are over, and compare what all places have."""
    explained: Counter[str] = Counter()

    def explain(kind: str, why: str) -> None:
        explained[kind] += 1
        if explained[kind] <= EXPLAINED:
            print(f"{name}: {kind}: {why}", file=sys.stderr, flush=True)

    for _ in range(2):
        # They come late.
        await crowd.join()
    early = crowd.readings[:-2]
    deadline = time.monotonic() + SETTLING
    quiet = time.monotonic()
    sdk = TwistedSDK(
        desk.reactor, f"http://127.0.0.1:{desk.ports[0]}", SECRET_KEY, projectId="bench"
    )
    try:
        while time.monotonic() < deadline and time.monotonic() - quiet < QUIET:
            await desk.sleep(0.2)
            if crowd.streaming() or not crowd.isWhole():
                quiet = time.monotonic()
        said = {each: await _state(sdk, each) for each in desk.ledger.scripts}
        kept = await _history(sdk)
    finally:
        await sdk.close()
    late = desk.ledger.judge(crowd.readings[-2:], {}, {}, lambda *_: None)
    found = desk.ledger.judge(early, kept, said, explain)
    return found + Totals(open=late.open)


async def _state(sdk: TwistedSDK, stream: str) -> str | None:
    try:
        state: str = (await sdk.ai.get(stream))["state"]
    except ClientError as error:
        if error.code != "stream_unknown":
            raise
        return None
    return state


async def _history(sdk: TwistedSDK) -> dict[str, list[Kept]]:
    """Read all that the history has of streams, by their ids."""
    found: dict[str, list[Kept]] = defaultdict(list)
    for topic in TOPICS:
        before = None
        while page := await sdk.history(topic, 100, before):
            for message in page:
                data = message["data"]
                # Emitted streams are kept as their servers end them, without their ids.
                if "id" in data:
                    found[data["id"]].append(Kept(data["state"], data["text"]))
            before = page[-1]["created_at"]
    return found


COLUMNS = ("streams", "done", "aborted", "forgotten", "resent", "unsaid")
FAULTS = ("lost", "doubled", "open", "late", "apart")
HEADER = ("killed", "kills", "minutes", *COLUMNS, *FAULTS, "slowest", "mark", "reached")


def row(trial: Trial, kills: int, seconds: float, totals: Totals) -> tuple[Sequence[str], bool]:
    """
    Return a row of the table, and whether the mark is reached.
    """
    numbers = [f"{getattr(totals, name):,}" for name in (*COLUMNS, *FAULTS)]
    most = 1 + trial.grace
    reached = not any(getattr(totals, name) for name in FAULTS) and totals.slowest <= most
    mark = f"0, lease + {most:g} s"
    slowest = f"{totals.slowest:+.2f} s"
    cells = (trial.what, f"{kills:,}", f"{seconds / 60:.1f}", *numbers, slowest, mark)
    return (*cells, "yes" if reached else "NO"), reached
