"""
Tests for L{aerostack.protocol.streams}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import FAILED, Answer, End, Terms
from aerostack.core.answers.blockframes import BlockFrames
from aerostack.core.answers.part import PIECE, Part
from aerostack.core.replay.publications import StreamMark
from aerostack.protocol.streams import keptData, pastData, readData, snapshotFrames

MARK = StreamMark("a1", state=FAILED)


def past(kept: bytes) -> Any:
    """
    A stream that has ended long ago.
    """
    return json.loads(pastData("t/p", MARK, kept))


class PastDataTests(SynchronousTestCase):
    """
    Tests for L{pastData}.
    """

    def test_same(self) -> None:
        """
        What was kept reads as it did when the stream was in memory.
        """
        terms = Terms("ann", meta=b'{"n":1}')
        answer = Answer("a1", "r1", "t/p", terms, 0, epoch=3)
        answer.append("r", "reasoning", "Hm")
        answer.append("0", "text", "a\u2028😀")
        answer.put("c", "tool", b'{"call":"c","input":{"x":1e400}}')
        for end in (End(FAILED, "No.", None, b'{"tokens":1}'), End(FAILED, None, "bob")):
            answer.end = end
            self.assertEqual(
                pastData("t/p", MARK, keptData(answer, None)).replace(b" ", b""),
                readData(answer).replace(b" ", b""),
            )

    def test_strange(self) -> None:
        """
        Whatever a server has put into its last event, each field has its type.
        """
        plain = past(b"{}")
        self.assertEqual(
            (plain["stream"], plain["state"], plain["text"], plain["parts"], plain["epoch"]),
            ("a1", FAILED, "", [], 1),
        )
        for kept in (b"[]", b"null", b'"x"'):
            self.assertEqual(past(kept), plain)
        for name, field in (
            ("text", "text"),
            ("parts", "parts"),
            ("metadata", "meta"),
            ("owner", "owner"),
            ("epoch", "epoch"),
            ("usage", "usage"),
            ("reason", "reason"),
        ):
            for value in (1.5, [None], True):
                found = past(json.dumps({name: value}).encode())
                self.assertEqual(found[field], plain[field], (name, value))
        text = past(b'{"text":"abc","state":"done","id":"x"}')
        self.assertEqual(text["parts"], [{"part": "0", "kind": "text", "text": "abc"}])
        self.assertEqual((text["state"], text["stream"]), (FAILED, "a1"))


class SnapshotTests(SynchronousTestCase):
    """
    Tests for L{snapshotFrames}.
    """

    def setUp(self) -> None:
        self.answer = Answer("a1", "r1", "t/p", Terms(), 0)
        self.answer.append("0", "text", "x" * (3 * PIECE + 5))
        (self.part,) = self.answer.parts.values()
        self.part.shown = self.part.length
        self.kept = BlockFrames()

    def frames(self) -> list[Any]:
        """
        The frames of a client that comes late.
        """
        return list(snapshotFrames([self.answer], "e-1-2", self.kept))

    def test_waiting(self) -> None:
        """
        A client that waits to send a frame of a whole block holds no text that others do not hold:
        neither of this frame, nor of the next one.
        """
        made: list[int] = []
        read = Part.read

        def spied(part: Part, start: int, until: int) -> str:
            made.append(start)
            return read(part, start, until)

        first = self.frames()
        self.patch(Part, "read", spied)
        frames = snapshotFrames([self.answer], "e-1-2", self.kept)
        for _ in range(4):
            next(frames)
        self.assertEqual(made, [])
        (last,) = frames
        self.assertEqual(made, [3 * PIECE])
        self.assertEqual(b"".join(last.parts), b"".join(first[-1].parts))

    def test_takenBack(self) -> None:
        """
        Text that the producer takes back while a client waits does not go to the client.
        """
        frames = snapshotFrames([self.answer], "e-1-2", self.kept)
        for _ in range(3):
            next(frames)
        self.part.takeBack(2 * PIECE, 1)
        rest = b"".join(part for frame in frames for part in frame.parts)
        self.assertNotIn(b"x", rest)
        self.assertEqual(rest.count(b'"pos"'), 1)
