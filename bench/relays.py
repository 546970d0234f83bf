"""
Answers of models that pass through the daemon: when the first word comes, and what many of them
cost.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import treq
from marks import Mark
from onlookers import digest
from processes import spentBy
from samples import quantile
from streamparts import (
    MODEL,
    Bench,
    Served,
    answerOf,
    modelURL,
    question,
    served,
    settled,
    watched,
)
from twisted.internet.defer import Deferred, gatherResults
from wires import AerostackDialect, Event, connect


async def first(bench: Bench) -> list[Mark]:
    """
    How much later the first word comes through the daemon than from the model.
    """
    count = 30 if bench.quick else 300
    async with served(bench) as daemon:
        heard: list[Deferred[None]] = []

        def listen(_: object, what: object) -> None:
            if isinstance(what, Event) and what.name == "ai:token" and heard:
                heard.pop().callback(None)

        watcher = await connect(bench.reactor, daemon.port, AerostackDialect(), listen)
        await watcher.subscribe(["bench/first"])
        ours, theirs = [], []
        # The first few open connections.
        for number in range(count + 5):
            direct = await _direct(daemon)
            relayed = await _relayed(daemon, heard)
            if number >= 5:
                theirs.append(1000 * direct)
                ours.append(1000 * relayed)
    return [
        _later("p50", quantile(ours, 0.5), quantile(theirs, 0.5), 5),
        _later("p99", quantile(ours, 0.99), quantile(theirs, 0.99), 15),
    ]


async def _direct(daemon: Served) -> float:
    """Ask the model, and return the seconds until its first word comes."""
    began = time.perf_counter()
    response = await treq.post(
        modelURL(daemon.modelPort), json={**question(1, 1), "stream": True}, unbuffered=True
    )
    took: list[float] = []
    await treq.collect(response, lambda _: took.append(time.perf_counter() - began))
    return took[0]


async def _relayed(daemon: Served, heard: list[Deferred[None]]) -> float:
    """Have the daemon ask, and return the seconds until a watcher has the first word."""
    came: Deferred[None] = Deferred()
    heard.append(came)
    began = time.perf_counter()
    asked = daemon.sdk.ai.relay("bench/first", question(1, 1), model=MODEL)
    await came
    took = time.perf_counter() - began
    await asked
    return took


def _later(what: str, ours: float, theirs: float, most: float) -> Mark:
    later = ours - theirs
    return Mark(
        f"first word of a relayed answer, {what}",
        f"{ours:.1f} ms",
        f"{theirs:.1f} ms from the model",
        f"{later:+.1f} ms",
        f"<= +{most:g} ms",
        later <= most,
    )


RELAYS, RATE, EACH = 50, 100, 10
"""How many answers run at the same time, their words a second, and their watchers."""


async def relays(bench: Bench) -> list[Mark]:
    """
    What relayed answers cost, and whether all watchers get all of their texts.
    """
    seconds = 5 if bench.quick else 20
    words = RATE * seconds
    async with served(bench) as daemon, watched(daemon.port, RELAYS, EACH) as onlookers:
        began = [
            daemon.sdk.ai.relay(
                f"bench/{number}", question(words, RATE), model=MODEL, stream=f"r{number}"
            )
            for number in range(RELAYS)
        ]
        started: Sequence[Any] = await gatherResults(began)
        # While all of them run.
        spent, since = spentBy(daemon.pid), time.monotonic()
        await bench.sleep(seconds - 3)
        share = (spentBy(daemon.pid) - spent) / (time.monotonic() - since)
        streams = [each["stream"] for each in started]
        found = await settled(bench, onlookers, streams, EACH)
    whole = f"{digest(answerOf(words))} 1"
    right = sum(found["streams"][name].get(whole, 0) for name in streams)
    what = f"{RELAYS} relays, {RATE} words/s, {EACH} watchers each"
    return [
        Mark(
            f"{what}: processor time of the daemon",
            f"{100 * share:.0f} %",
            "-",
            "-",
            "<= 40 %",
            share <= 0.4,
        ),
        Mark(
            f"{what}: watchers with the whole text",
            f"{right:,}",
            f"{RELAYS * EACH:,}",
            f"{right / (RELAYS * EACH):.2f}",
            "1",
            right == RELAYS * EACH and not found["late"] and not found["holes"],
        ),
    ]
