"""
Tests for L{aerostack.engine.valkey.entries} and L{aerostack.engine.valkey.keys}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Publication
from aerostack.core.replay.shared import SharedEntry
from aerostack.engine.valkey.entries import (
    MalformedEntry,
    decodeEntry,
    encodePublication,
    readPlace,
    writePlace,
)
from aerostack.engine.valkey.keys import SLOTS, Keys, slotOf

texts = st.text(st.characters(codec="utf-8"))
publications = st.builds(
    Publication,
    st.just("chat/a/p"),
    texts,
    texts,
    st.binary(),
    st.none() | texts,
    st.integers(0, 2**53),
    st.none() | st.integers(0, 2**53),
)


class EntryTests(SynchronousTestCase):
    """
    Tests for L{encodePublication} and L{decodeEntry}.
    """

    @given(publications)
    def test_thereAndBack(self, publication: Publication) -> None:
        """
        A publication is read as it was written, behind the line of its place.
        """
        entry = b"00e 7 ab - 5 1 99\n" + encodePublication(publication)
        place = Position("00e", 7, 5, seen=True, tag="ab")
        self.assertEqual(decodeEntry("chat/a/p", entry), SharedEntry(place, "", publication))

    def test_announcement(self) -> None:
        """
        A line without a publication is the head of a log that was made anew.
        """
        self.assertEqual(decodeEntry("chat/a/p", b"00e 0 - - 5 0 0\n"), Position("00e", 0, 5))

    @given(st.binary() | st.binary().map(lambda body: b"00e 7 ab - 5 1 99\n" + body))
    def test_malformed(self, entry: bytes) -> None:
        """
        Whatever another program writes is read, or is malformed.
        """
        try:
            decodeEntry("chat/a/p", entry)
        except MalformedEntry as error:
            self.assertIn("chat/a/p", str(error))

    def test_places(self) -> None:
        """
        A place is written as the scripts take it, and read as they give it.
        """
        place = Position("00e", 7, 5, seen=True, tag="ab")
        self.assertEqual(writePlace(place), (b"00e", b"7", b"ab", b"5"))
        self.assertEqual(writePlace(Position("00e", 0, 0)), (b"00e", b"0", b"-", b"0"))
        self.assertEqual(writePlace(None), (b"", b"", b"", b""))
        self.assertEqual(readPlace("00e", "7", "ab", "5", "1"), place)
        self.assertEqual(readPlace("00e", "0", "-", "0", "0"), Position("00e", 0, 0))


class KeysTests(SynchronousTestCase):
    """
    Tests for L{Keys}.
    """

    def test_names(self) -> None:
        """
        All names of a topic have one hash tag, which is the same on every node.
        """
        keys = Keys()
        self.assertEqual(keys.metaOf("chat/a/p"), b"ar1:{45}:m:chat/a/p")
        self.assertEqual(keys.streamOf("chat/a/p"), b"ar1:{45}:s:chat/a/p")
        self.assertEqual(keys.batchOf("chat/a/p", "run"), b"ar1:{45}:b:chat/a/p:run")
        self.assertEqual(len(keys.repeatOf("a", "x" * 9_999)), len(keys.repeatOf("a", "")))
        self.assertEqual({slotOf(f"t{n}") for n in range(2_000)}, set(range(SLOTS)))

    @given(texts)
    def test_channels(self, topic: str) -> None:
        """
        The topic of a channel is found again; other channels have none.
        """
        self.assertEqual(Keys().topicOf(Keys().channelOf(topic)), topic)
        self.assertIsNone(Keys("other").topicOf(Keys().channelOf(topic)))
        self.assertIsNone(Keys().topicOf(Keys().metaOf(topic)))

    def test_foreign(self) -> None:
        """
        A channel with any other name has no topic.
        """
        for channel in (b"", b"ar1", b"ar1:own", b"ar1:{}:c:x", b"ar1:{1}"):
            self.assertIsNone(Keys().topicOf(channel), channel)
