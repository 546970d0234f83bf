"""
Producers of token streams that go on when a part of the daemon was killed.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from processes import Failed
from streamtexts import STUCK, Ledger, Script, words
from systems import SECRET_KEY
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.task import deferLater
from wires import AerostackDialect, Answer, Heard, Wire, connect

from aerostack.client.draft import StreamEnded
from aerostack.client.errors import ClientError
from aerostack.client.sdk import TwistedSDK
from aerostack.core.answers.units import after, units

MODEL = "m"

PAUSE = 0.04
"""Seconds between two pieces of a stream."""

LEASE = 3.0
"""Seconds of a stream's lease."""

AGAIN = 0.3
"""Seconds until a producer tries again whose connection was lost."""


class StreamDialect(AerostackDialect):
    """
    The daemon's protocol, as a producer of streams speaks it.  A refusal is an answer too: its
    frame says how to go on.
    """

    offers = (f"aerostack-key.{SECRET_KEY}", "aerostack-v1")

    def read(self, text: str) -> Iterator[Heard]:
        frame = json.loads(text)
        if frame["type"] in ("stream_ack", "error") and "id" in frame:
            yield Answer(str(frame["id"]), None, frame)
        else:
            yield from super().read(text)


@dataclass(frozen=True)
class Desk:
    """
    What producers work with.

    @ivar ports: Where the daemons listen.
    @ivar ledger: Where they write down what they stream.
    """

    reactor: Any
    ports: Sequence[int]
    ledger: Ledger
    chance: random.Random

    def sleep(self, seconds: float) -> Deferred[None]:
        """
        Return what fires after a while.
        """
        return deferLater(self.reactor, seconds, lambda: None)

    def begin(self, topic: str, kind: str, least: int = 10, most: int = 100) -> Script:
        """
        Make up a stream.
        """
        name = f"{kind}{len(self.ledger.scripts)}"
        whole = "".join(words(self.chance.randint(least, most)))
        script = self.ledger.scripts[name] = Script(name, topic, whole, LEASE, time.time())
        return script


PATIENCE = 60.0
"""Seconds for which a producer tries to end its last stream."""


class Writer:
    """
    Streams one text after the other.
    """

    def __init__(self, desk: Desk, topic: str, first: int) -> None:
        """
        @param first: The index of the port with which it begins.
        """
        # Until when it goes on, seconds of the monotonic clock; L{None} for ever.
        self._until: float | None = None
        self._desk = desk
        self._topic = topic
        self._port = first

    async def run(self) -> None:
        """
        Write until L{stop}.
        """
        while self._until is None:
            await self.write()

    def stop(self) -> None:
        """
        Begin no other stream.
        """
        self._until = time.monotonic() + PATIENCE

    @property
    def _isImpatient(self) -> bool:
        return self._until is not None and time.monotonic() > self._until

    async def again(self, script: Script) -> None:
        """
        Use the next port, after a while; give up if it goes on for too long.
        """
        self._port += 1
        if self._isImpatient:
            script.state = STUCK
        await self._desk.sleep(AGAIN)

    async def write(self) -> None:
        """
        Write one stream.
        """
        raise NotImplementedError


class FrameWriter(Writer):
    """
    Streams over a WebSocket.  It sends many pieces before it has an answer.  Some of its streams it
    leaves before their ends, as a program does that was killed: with its connection, or without a
    sign.
    """

    leaves = 0.3
    """The share of streams that it leaves."""

    async def write(self) -> None:
        script = self._desk.begin(self._topic, "f")
        share = self._desk.chance.random() if self._desk.chance.random() < self.leaves else None
        until = units(script.whole) if share is None else int(share * units(script.whole))
        while script.state is None and script.left is None:
            try:
                await self._over(script, until, share is not None)
            except (Failed, ConnectError):
                await self.again(script)

    async def _over(self, script: Script, until: int, leaves: bool) -> None:
        """
        Write over one connection.

        @raise Failed: It was lost.
        """
        port = self._desk.ports[self._port % len(self._desk.ports)]
        wire = await connect(self._desk.reactor, port, StreamDialect(), lambda *_: None)
        try:
            started = await wire.ask("start", _start(script))
            if started["type"] == "error":
                await self._refused(script, started)
                return
            if not started["length"]:
                # It may have waited for a daemon until now.
                script.began = time.time()
            passage = _Passage(wire, script, started, self._desk.ledger)
            await self._pieces(passage, until)
            if script.state is not None:
                return
            if leaves:
                script.left = time.time()
                if self._desk.chance.random() < 0.5:
                    # The connection stays, and nothing more comes over it.
                    self._desk.reactor.callLater(2 * script.lease, wire.sendClose)
                    wire = None
                return
            ended = await wire.ask("end", passage.frame("stream_end"))
            script.state = ended.get("state", ended.get("code"))
            if script.state == "stream_gap":
                script.state = None
        finally:
            if wire is not None and not wire.isLost:
                wire.transport.abortConnection()

    async def _pieces(self, passage: _Passage, until: int) -> None:
        while passage.script.state is None:
            if not passage.piece(until):
                # The last answers may send it back.
                await passage.answered()
                if not passage.piece(until):
                    return
            await self._desk.sleep(PAUSE)

    async def _refused(self, script: Script, refusal: dict[str, Any]) -> None:
        """Note what the daemon says of a stream that cannot begin or go on."""
        if refusal["code"] == "stream_ended":
            script.state = refusal["state"]
        elif "retryAfter" in refusal:
            await self.again(script)
        else:
            raise RuntimeError(f"{script.name}: {refusal}")


def _start(script: Script) -> str:
    return json.dumps(
        {
            "type": "stream_start",
            "topic": script.topic,
            "stream": script.name,
            "producer": f"of {script.name}",
            "lease": int(script.lease * 1000),
            "id": "start",
        }
    )


class _Passage:
    """
    What one connection carries of a stream.
    """

    def __init__(self, wire: Wire, script: Script, started: dict[str, Any], ledger: Ledger) -> None:
        self.script = script
        self._wire = wire
        self._ledger = ledger
        self._epoch = started["epoch"]
        self._at = 0
        # How often it was sent back, and how many answers are due.
        self._turn = 0
        self._due = 0
        self._number = 0
        self._waiting: Deferred[None] | None = None
        self._goOn(started["length"].get("0", 0))

    def _goOn(self, length: int) -> None:
        """Go on behind what the daemon has."""
        self._turn += 1
        self._at = length
        self._ledger.resent += max(0, self.script.acked - length)

    def frame(self, kind: str, **more: Any) -> str:
        """
        Return a frame about the stream.
        """
        id = "end" if kind == "stream_end" else str(self._number)
        return json.dumps(
            {"type": kind, "stream": self.script.name, "epoch": self._epoch, "id": id, **more}
        )

    def piece(self, until: int) -> bool:
        """
        Send the next word.

        @param until: Where to stop, UTF-16 units.
        @return: Whether there was one.
        """
        rest = after(self.script.whole, self._at)
        if rest is None:
            raise RuntimeError(f"{self.script.name}: the daemon cut a character at {self._at}")
        if not rest or self._at >= until:
            return False
        text = rest[: rest.index(" ") + 1]
        self._number += 1
        asked = self._wire.ask(
            str(self._number), self.frame("stream_append", part="0", at=self._at, text=text)
        )
        self._at += units(text)
        self._due += 1
        turn = self._turn
        asked.addCallbacks(lambda frame: self._answer(frame, turn), self._lost)
        return True

    def _answer(self, frame: dict[str, Any], turn: int) -> None:
        if frame["type"] == "stream_ack":
            self.script.acked = max(self.script.acked, frame["length"]["0"])
        elif frame["code"] == "stream_gap":
            if turn == self._turn:
                self._goOn(frame["length"].get("0", 0))
        elif frame["code"] == "stream_ended":
            self.script.state = frame["state"]
        elif frame["code"] in ("stream_unknown", "stream_busy", "engine_unavailable"):
            # Another daemon had it, or still has it; beginning again finds it.
            self._wire.transport.abortConnection()
        else:
            raise RuntimeError(f"{self.script.name}: {frame}")
        self._settle()

    def _lost(self, failure: Any) -> None:
        failure.trap(Failed)
        self._settle()

    def _settle(self) -> None:
        self._due -= 1
        waiting = self._waiting
        if waiting is not None and not self._due:
            self._waiting = None
            waiting.callback(None)

    def answered(self) -> Deferred[None]:
        """
        Return what fires when all pieces are answered, or the connection is lost.
        """
        self._waiting = Deferred()
        self._due += 1
        waiting = self._waiting
        self._settle()
        return waiting


class SDKWriter(Writer):
    """
    Streams with the SDK on Twisted.
    """

    def __init__(self, desk: Desk, topic: str, first: int) -> None:
        super().__init__(desk, topic, first)
        self._sdks = [_sdk(desk, port) for port in desk.ports]

    @property
    def _sdk(self) -> TwistedSDK:
        return self._sdks[self._port % len(self._sdks)]

    async def write(self) -> None:
        script = self._desk.begin(self._topic, "s")
        stream = None
        while stream is None and script.state is None:
            try:
                stream = await self._sdk.ai.start(script.topic, stream=script.name, lease=LEASE)
                script.began = time.time()
            except ClientError as error:
                if error.code == "stream_ended":
                    # It had begun, and its lease has passed meanwhile.
                    script.state = error.details["state"]
                else:
                    await self.again(script)
        if stream is None:
            return
        try:
            for word in words(script.whole.count(" ")):
                # What was written and not taken goes out with the next call.
                stream.write(word).addErrback(lambda failure: failure.trap(ClientError))
                await self._desk.sleep(PAUSE)
            ended = await stream.end()
            script.state = ended["state"]
        except StreamEnded as ended:
            script.state = ended.state
            script.mayBeForgotten = ended.state == "unknown"
        except ClientError as error:
            script.left, script.state = time.time(), error.code

    async def close(self) -> None:
        """
        Close the connections.
        """
        for sdk in self._sdks:
            await sdk.close()


class RelayWriter(SDKWriter):
    """
    Has the daemon stream the answers of a model.
    """

    def __init__(self, desk: Desk, topic: str, first: int, answer: str) -> None:
        """
        @param answer: What the model answers.
        """
        super().__init__(desk, topic, first)
        self._answer = answer

    async def write(self) -> None:
        script = self._desk.begin(self._topic, "r")
        script.whole = self._answer
        # A relay that was killed before its first checkpoint is gone.
        script.mayBeForgotten = True
        request = {"messages": [{"role": "user", "content": "Hello"}]}
        isAsked = False
        while not isAsked and script.state is None:
            try:
                await self._sdk.ai.relay(script.topic, request, model=MODEL, stream=script.name)
                isAsked = True
            except ClientError as error:
                isAsked = error.code == "stream_ended"
                await self.again(script)
        while script.state is None:
            await self._desk.sleep(0.5)
            try:
                found = await self._sdk.ai.get(script.name)
                if found["state"] != "streaming":
                    script.state = found["state"]
                elif self._isImpatient:
                    script.state = STUCK
            except ClientError as error:
                if error.code == "stream_unknown":
                    script.state = "unknown"
                else:
                    await self.again(script)


class EmitWriter(SDKWriter):
    """
    Emits its tokens, as a server does that knows nothing of streams.
    """

    async def write(self) -> None:
        for number in range(self._desk.chance.randint(10, 60)):
            await self._emit("ai:token", {"token": f"w{number} "})
            await self._desk.sleep(PAUSE)
        await self._emit("ai:done", {}, persist=True)

    async def _emit(self, event: str, data: Any, persist: bool = False) -> None:
        try:
            await self._sdk.socket.emit(event, data, self._topic, persist=persist)
        except ClientError:
            if persist and self._until is None:
                self._port += 1
                await self._desk.sleep(AGAIN)
                await self._emit(event, data, persist)


def _sdk(desk: Desk, port: int) -> TwistedSDK:
    return TwistedSDK(desk.reactor, f"http://127.0.0.1:{port}", SECRET_KEY, projectId="bench")
