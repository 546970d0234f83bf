"""
Streams that are cancelled: how soon the answer comes, and what still comes behind it.
"""

from __future__ import annotations

import json
import time

from marks import Mark
from processes import Failed
from samples import quantile
from streamparts import MODEL, Bench, Served, question, served, settled, watched
from streamwriters import StreamDialect
from twisted.internet.threads import deferToThread
from wires import AerostackDialect, Wire, connect

TOPIC = "bench/0"


class ReaderDialect(StreamDialect):
    """
    The daemon's protocol, as a client speaks it that cancels streams.
    """

    offers = AerostackDialect.offers


async def cancels(bench: Bench) -> list[Mark]:
    """
    Cancel streams that many clients watch.
    """
    count, watchers = (10, 200) if bench.quick else (100, 1_000)
    async with served(bench) as daemon, watched(daemon.port, 1, watchers) as onlookers:
        writer = await connect(bench.reactor, daemon.port, StreamDialect(), lambda *_: None)
        reader = await connect(bench.reactor, daemon.port, ReaderDialect(), lambda *_: None)
        took = []
        for number in range(count):
            took.append(await _write(bench, writer, reader, f"c{number}"))
        streams = [f"c{number}" for number in range(count)]
        found = await settled(bench, onlookers, streams, watchers)
        ends = {text.rpartition(" ")[2] for name in streams for text in found["streams"][name]}
        if ends != {"1"}:
            raise Failed(f"watchers got {sorted(ends)} ends of a stream")
        marks = [
            _within(f"cancel to answer, {watchers:,} watchers, {count} times: p99", took, 50),
            Mark(
                "text behind the end of a cancelled stream",
                f"{found['late']:,}",
                f"{watchers * count:,} ends",
                "-",
                "0",
                not found["late"],
            ),
        ]
        closed = []
        for number in range(count):
            closed.append(await _relay(bench, daemon, reader, f"u{number}"))
    return [
        *marks,
        _within(
            f"cancel to the end of the request to the model, {count} times: max", closed, 100, 1
        ),
    ]


async def _write(bench: Bench, writer: Wire, reader: Wire, stream: str) -> float:
    """
    Write a stream, and cancel it in the middle.

    @return: The milliseconds until the answer to the cancel.
    """
    start = {"type": "stream_start", "topic": TOPIC, "stream": stream, "cancel": "publishers"}
    started = await writer.ask("s", json.dumps({**start, "id": "s"}))
    at = 0
    for number in range(12):
        text = f"word{number} "
        append = {"type": "stream_append", "stream": stream, "epoch": started["epoch"]}
        writer.say(json.dumps({**append, "part": "0", "at": at, "text": text}))
        at += len(text)
        # The last ones are folded, and not sent yet, when the cancel comes.
        await bench.sleep(0.05 if number < 8 else 0.002)
    return await _cancel(reader, stream)


async def _cancel(reader: Wire, stream: str) -> float:
    began = time.perf_counter()
    asked = {"type": "stream_cancel", "topic": TOPIC, "stream": stream, "id": f"c{stream}"}
    await reader.ask(f"c{stream}", json.dumps(asked))
    return 1000 * (time.perf_counter() - began)


async def _relay(bench: Bench, daemon: Served, reader: Wire, stream: str) -> float:
    """
    Cancel an answer of a model.

    @return: The milliseconds from the cancel's answer until the model has seen the end of the
        request; negative if it has seen it before.
    """
    asked = question(10_000, 50, hangs=True)
    await daemon.sdk.ai.relay(TOPIC, asked, model=MODEL, stream=stream, cancel="publishers")
    await bench.sleep(0.05)
    await _cancel(reader, stream)
    acked = time.monotonic()
    return 1000 * (float(await deferToThread(daemon.model.line)) - acked)


def _within(what: str, found: list[float], most: float, share: float = 0.99) -> Mark:
    ours = quantile(found, share)
    return Mark(
        what,
        f"{ours:.1f} ms",
        f"{quantile(found, 0.5):.1f} ms p50",
        "-",
        f"<= {most:g} ms",
        ours <= most,
    )
