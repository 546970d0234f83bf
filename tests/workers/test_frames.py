"""
Tests for L{aerostack.workers.frames}.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, Struct
from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers.frames import (
    Answer,
    Beat,
    Codec,
    FrameError,
    FrameReader,
    LogLine,
    Question,
    Ready,
    Refusal,
)
from tests.workers.samples import KINDS, Note, Values

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=50)
floats = st.floats(allow_nan=False)
counts = st.integers(0, 2**63)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | floats | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
messages = st.one_of(
    st.builds(Note, texts, st.binary(max_size=300)),
    st.builds(Values, st.lists(plain, max_size=4)),
    st.builds(Ready),
    st.builds(Beat, counts, counts, floats, floats, counts),
    st.builds(LogLine, floats, texts, texts, texts, st.none() | texts, counts),
    st.builds(
        Refusal, counts, texts, texts, st.none() | counts, st.dictionaries(texts, texts | counts)
    ),
)


def taken(reader: FrameReader) -> list[Any]:
    """
    @return: All messages that are whole.
    """
    found = []
    while (message := reader.take()) is not None:
        found.append(message)
    return found


class CodecTests(SynchronousTestCase):
    """
    Tests for L{Codec} and L{FrameReader}.
    """

    codec = Codec(KINDS)

    @given(st.lists(messages, max_size=6), st.lists(st.integers(0, 2000), max_size=8))
    def test_pieces(self, sent: list[Struct], cuts: list[int]) -> None:
        """
        A reader gives the messages that were encoded, in order, however the bytes are cut.
        """
        data = b"".join(map(self.codec.encode, sent))
        reader = FrameReader(self.codec)
        found = []
        places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
        for begin, end in pairwise(places):
            reader.feed(data[begin:end])
            found += taken(reader)
        self.assertEqual(found, sent)

    @given(messages)
    def test_nested(self, message: Struct) -> None:
        """
        A question and an answer carry any message.
        """
        body = Raw(self.codec.encodeBody(message))
        reader = FrameReader(self.codec)
        reader.feed(self.codec.encode(Question(1, body)) + self.codec.encode(Answer(1, body)))
        self.assertEqual(
            [(type(m), self.codec.decodeBody(m.body)) for m in taken(reader)],
            [(Question, message), (Answer, message)],
        )

    @given(st.binary(max_size=200))
    def test_garbage(self, data: bytes) -> None:
        """
        Bytes that are no frame lead to no other error than L{FrameError}.
        """
        reader = FrameReader(self.codec)
        reader.feed(len(data).to_bytes(4, "big") + data)
        try:
            message = reader.take()
        except FrameError as error:
            self.assertIn("a frame cannot be read", str(error))
        else:
            self.assertIsInstance(message, Struct)

    def test_tooLargeToSend(self) -> None:
        """
        A message over the bound is not encoded, and the error names its kind and the bound.
        """
        codec = Codec(KINDS, largest=100)
        self.assertEqual(len(codec.encode(Note("", b"x" * 95))), 104)
        error = self.assertRaises(FrameError, codec.encode, Note("", b"x" * 96))
        self.assertEqual(str(error), "a Note has 101 bytes, but a frame has 100 at the most")

    def test_tooLargeToRead(self) -> None:
        """
        A length over the bound is refused before the bytes have come.
        """
        reader = FrameReader(Codec(KINDS, largest=100))
        reader.feed((101).to_bytes(4, "big"))
        error = self.assertRaises(FrameError, reader.take)
        self.assertEqual(str(error), "a frame has 101 bytes, but a frame has 100 at the most")

    def test_unknown(self) -> None:
        """
        A kind that only the other end knows is no message.
        """
        reader = FrameReader(Codec())
        reader.feed(self.codec.encode(Note("a")))
        self.assertRaises(FrameError, reader.take)
        self.assertRaises(TypeError, Codec().encode, Note("a"))

    def test_sameTag(self) -> None:
        """
        Two kinds cannot have one tag.
        """

        class Other(Struct, frozen=True, array_like=True, tag=16):
            pass

        self.assertRaises(TypeError, Codec, (Note, Other))
