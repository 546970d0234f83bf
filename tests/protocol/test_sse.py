"""
Tests for L{aerostack.protocol.sse}.
"""

from __future__ import annotations

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.protocol.codec import encodeValue
from aerostack.protocol.sse import (
    COMMENT,
    EventReader,
    EventTooLarge,
    ServerSentEvent,
    writeEvent,
)

ENDS = st.sampled_from(["\n", "\r", "\r\n"])
LINES = st.sampled_from(
    [
        *("data", "data:", "data: ä", "data:  two", "data: \u2028\u0085😀", "data:a:b", ": hello"),
        *(":", "event: x", "event", "id: 7", "id:", "id: a\0b", "retry: 10", "dataless: 1", ""),
        *(" data: no", "Data: no"),
    ]
)


def model(lines: list[str]) -> list[ServerSentEvent]:
    """
    Interpret lines as the standard says, one after the other.
    """
    events, data, kind, last = [], "", "", ""
    for line in lines:
        if line == "":
            if data:
                events.append(ServerSentEvent(data[:-1], kind, last))
            data = kind = ""
        elif not line.startswith(":"):
            name, value = line.split(":", 1) if ":" in line else (line, "")
            value = value[1:] if value.startswith(" ") else value
            if name == "data":
                data += value + "\n"
            elif name == "event":
                kind = value
            elif name == "id" and "\0" not in value:
                last = value
    return events


class ReaderTests(SynchronousTestCase):
    """
    Tests for L{EventReader}.
    """

    def read(self, *pieces: bytes) -> list[ServerSentEvent]:
        """
        Read pieces one after the other.
        """
        reader = EventReader()
        return [event for piece in pieces for event in reader.feed(piece)]

    @given(st.lists(st.tuples(LINES, ENDS), max_size=12), st.booleans(), st.data())
    def test_model(
        self, written: list[tuple[str, str]], hasMark: bool, data: st.DataObject
    ) -> None:
        """
        The events are those of the standard, whatever ends the lines, and wherever the bytes are
        cut.
        """
        # A return and a newline that belong to two blank lines would be one end.
        for (_, first), (line, second) in itertools.pairwise(written):
            if first == "\r" and line == "" and second == "\n":
                return
        text = ("\ufeff" if hasMark else "") + "".join(line + end for line, end in written)
        encoded = text.encode()
        cuts = sorted(data.draw(st.sets(st.integers(0, len(encoded)), max_size=5)))
        bounds = [0, *cuts, len(encoded)]
        pieces = [encoded[a:b] for a, b in itertools.pairwise(bounds)]
        expected = model([line for line, _ in written])
        self.assertEqual(self.read(*pieces), expected)

    def test_everyByte(self) -> None:
        """
        A cut after any byte changes nothing, also within a character, a return with its newline
        and the name of a field.
        """
        encoded = "event: é\r\ndata: a😀\r\ndata: \u2028b\r\n\r\n: life\n\ndata: 漢\r\r".encode()
        expected = [ServerSentEvent("a😀\n\u2028b", "é"), ServerSentEvent("漢")]
        self.assertEqual(self.read(encoded), expected)
        for cut in range(len(encoded)):
            self.assertEqual(self.read(encoded[:cut], encoded[cut:]), expected)
        self.assertEqual(self.read(*(bytes([byte]) for byte in encoded)), expected)

    def test_half(self) -> None:
        """
        An event without its blank line is none, and half a character is replaced.
        """
        self.assertEqual(self.read(b"data: a\n\ndata: b\n"), [ServerSentEvent("a")])
        self.assertEqual(self.read(b"data: \xf0\x9f\n\n"), [ServerSentEvent("\ufffd")])

    def test_bounded(self) -> None:
        """
        An event with too many bytes is refused while it comes, in one line or in many; comments
        and earlier events do not count.
        """
        for line in (b"data: 123456\n", b"123456"):
            reader = EventReader(100)
            for _ in range(40):
                self.assertEqual(len(reader.feed(b"data: 1\n\n")), 1)
                self.assertEqual(reader.feed(b": nothing\n"), [])
            with self.assertRaises(EventTooLarge):
                for _ in range(20):
                    reader.feed(line)

    def test_longComment(self) -> None:
        """
        A comment without an end is refused, too.
        """
        reader = EventReader(100)
        with self.assertRaises(EventTooLarge):
            for _ in range(20):
                reader.feed(b":::::::")


class WriterTests(SynchronousTestCase):
    """
    Tests for L{writeEvent}.
    """

    @given(st.text(max_size=20), st.sampled_from(["", "delta"]), st.sampled_from(["", "a.1"]))
    def test_written(self, text: str, event: str, place: str) -> None:
        """
        What was written is read again, in a single line also for readers that take other characters
        for the end of a line.
        """
        written = writeEvent(encodeValue({"text": text}), event, place)
        (read,) = EventReader().feed(written)
        self.assertEqual(
            (json.loads(read.data), read.event, read.id), ({"text": text}, event, place)
        )
        self.assertEqual(len(written.decode().splitlines()), 2 + bool(event) + bool(place))

    def test_comment(self) -> None:
        """
        A comment is no event, and ends none.
        """
        reader = EventReader()
        self.assertEqual(reader.feed(COMMENT + writeEvent(b"1")), [ServerSentEvent("1")])
