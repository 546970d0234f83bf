"""
What tests of the adoption of streams share.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from aerostack.core.answers.checkpoints import (
    AnswerRecord,
    Checkpoint,
    Piece,
)
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import EVENT, Publication, StreamMark
from aerostack.core.replay.shared import SharedEntry
from aerostack.errors import RealtimeError
from aerostack.streams.adopting import Adopter
from tests.streams.nodes import FakeNodes, FakeOpenStreams
from tests.streams.watching import CANONICAL, StreamCase

LEASE = 60_000


class FakeStanding:
    """
    What a node knows of the others.

    @ivar gone: The runs that are gone.
    """

    def __init__(self) -> None:
        self.isCurrent = self.isHeard = self.isNamed = True
        self.silent: set[str] = set()
        self.gone: set[str] = set()

    def isGone(self, run: str) -> bool:
        """See L{aerostack.streams.adopting.Standing}."""
        return run in self.gone


class AdoptingCase(StreamCase):
    """
    A world as one of several nodes.

    @ivar log: What the topic's log has.
    @ivar stops: What producers at other nodes were told.
    """

    def setUp(self) -> None:
        super().setUp()
        self.nodes, self.standing = FakeNodes(), FakeStanding()
        self.register = FakeOpenStreams("here")
        self.store = self.world.history.answers
        self.log: list[Publication] = []
        self.logDown = False
        self.followed = True
        self.stops: list[Any] = []
        self.adopter = Adopter(
            self.world.clock,
            "here",
            self.world.streams,
            self.store,
            self.nodes,
            self.register,
            self.standing,
            self.read,
            lambda topic: self.followed,
            self.stops.append,
        )

    def read(
        self, topic: str, after: int, until: int | None, limit: int, size: int
    ) -> Deferred[list[SharedEntry]]:
        """
        Read the topic's log, an entry at a time.
        """
        if self.logDown:
            return fail(RealtimeError("engine_unavailable", "It is down.", 1000))
        page = self.log[after : after + 1]
        return succeed([SharedEntry(Position("e", after + 1, 0), "", each) for each in page])

    def look(self) -> None:
        """
        Look after streams.
        """
        looked = self.adopter.look()
        self.world.advance(0.1)
        self.successResultOf(looked)

    def leave(
        self, *texts: str, stream: str = "a1", producer: str = "run", node: str = "n0"
    ) -> None:
        """
        Let a node leave a stream in the database.
        """
        about = b'{"began":1000,"lease":60.0,"meta":{"m":1}}'
        record = AnswerRecord(f"m{stream}", stream, CANONICAL, node, None, 3, producer, about, "r0")
        pieces, at = [], 0
        for text in texts:
            pieces.append(Piece(record.id, "0", 0, "text", at, text))
            at += len(text)
        self.successResultOf(self.store.write(Checkpoint((record,), tuple(pieces), "r0")))

    def other(self, *marks: StreamMark, data: bytes = b"") -> list[Publication]:
        """
        What another node has published.
        """
        return [
            Publication(CANONICAL, EVENT, "ai:token", data, None, 1000, None, mark)
            for mark in marks
        ]

    def mirror(self, *texts: str, stream: str = "a1") -> None:
        """
        Let a stream of another node come to the subscribers.
        """
        at, marks = 0, [StreamMark(stream)]
        for text in texts:
            marks.append(StreamMark(stream, "0", "text", at, text))
            at += len(text)
        for publication in self.other(*marks):
            data = b"" if publication.stream and publication.stream.part else b'{"id":"a1"}'
            event = "ai:token" if not data else "ai:start"
            self.world.hub.delivery.deliver(
                Publication(CANONICAL, EVENT, event, data, None, 1000, None, publication.stream)
            )

    def text(self) -> str:
        """
        The text that the first watcher has.
        """
        self.early.take()
        return self.early.texts.get(("a1", "0"), "")
