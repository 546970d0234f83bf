"""
Tests for L{aerostack.core.topics.topics}.
"""

from __future__ import annotations

import unicodedata

from hypothesis import assume, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.topics import topics
from aerostack.core.topics.topics import Topic, checkEvent, parseTopic, tableTopic
from aerostack.errors import RealtimeError

PROJECT = "shop"
PROJECTS = ("shop", "blog")
LENGTH = 64

# What begins, ends and joins topics, more often than chance would have it.
pieces = st.sampled_from(
    ["/", "table", "table/", "shop", "/shop", "blog", "/blog", "orders", "chat", ".", "..", " "]
)
names = st.one_of(
    st.text(max_size=LENGTH + 8),
    st.lists(st.one_of(pieces, st.text(max_size=3)), max_size=8).map("".join),
)
plain = st.text("abcdefgh-_.:äß日", min_size=1, max_size=8).filter(
    lambda text: text not in (".", "..")
)


def parse(text: str, maxLength: int = LENGTH) -> Topic:
    return parseTopic(text, PROJECT, PROJECTS, maxLength)


def typescript(text: str) -> str:
    """
    The canonical form, as a client makes it that knows only the protocol's table.
    """
    if text.endswith(f"/{PROJECT}"):
        return text
    return f"{text}/{PROJECT}" if "/" in text else f"table/{text}/{PROJECT}"


class FormTests(SynchronousTestCase):
    """
    Tests for the forms of a topic.
    """

    def test_forms(self) -> None:
        """
        Every form that the protocol names becomes the canonical form.
        """
        for text, canonical in (
            ("orders", "table/orders/shop"),
            ("table/orders", "table/orders/shop"),
            ("table/orders/shop", "table/orders/shop"),
            ("chat/general", "chat/general/shop"),
            ("chat/general/shop", "chat/general/shop"),
            ("lobby/shop", "lobby/shop"),
            ("shop", "table/shop/shop"),
        ):
            self.assertEqual(parse(text).canonical, canonical, text)

    def test_table(self) -> None:
        """
        Only a table's topic has a table.
        """
        self.assertEqual(parse("orders").table, "orders")
        self.assertEqual(parse("orders"), tableTopic("orders", PROJECT))
        self.assertIsNone(parse("chat/general").table)
        self.assertIsNone(parse("lobby/shop").table)

    @given(st.one_of(plain, st.lists(plain, min_size=1, max_size=4).map("/".join)))
    def test_formsAgree(self, text: str) -> None:
        """
        The short form and the canonical form that a client makes of it are one topic.
        """
        try:
            short = parse(text)
        except RealtimeError:
            # It has no canonical form either, but for what names another project: in
            # front of ours, that is a name like any other.
            assume(text.rpartition("/")[2] not in PROJECTS)
            self.assertRaises(RealtimeError, parse, typescript(text))
        else:
            self.assertEqual(short.canonical, typescript(text))
            self.assertEqual(parse(typescript(text)), short)

    @given(names)
    def test_idempotent(self, text: str) -> None:
        """
        The canonical form of an accepted topic is accepted, and stays as it is.
        """
        try:
            topic = parse(text)
        except RealtimeError as error:
            self.assertIn(error.code, ("invalid_topic", "wrong_project"))
            return
        self.assertTrue(topic.canonical.endswith(f"/{PROJECT}"))
        self.assertLessEqual(len(topic.canonical), LENGTH)
        self.assertEqual(parse(topic.canonical), topic)


class RefusalTests(SynchronousTestCase):
    """
    Tests for what is no topic.
    """

    def refused(self, text: str, code: str = "invalid_topic") -> str:
        error = self.assertRaises(RealtimeError, parse, text)
        self.assertEqual(error.code, code, text)
        return error.message

    def test_odd(self) -> None:
        """
        Empty parts, dots, quotes, wildcards, control characters and odd spaces are refused in a
        topic that is no table's.
        """
        for text in (
            *("", "/", "//", "chat/", "/chat", "chat//x", "/shop", "chat//shop", "/chat/shop"),
            *("chat/..", "chat/.", "../etc", "chat/../../x", "./chat"),
            *("chat/ x", "chat/x ", " chat/x", "chat/\u00a0x"),
            *("chat/'; DROP TABLE users;--", 'chat/"x"', "chat/`x`", "chat/\\x"),
            *("chat/<b>", "chat/*", "chat/#", "chat/x?y", "**/shop"),
            *("chat/\x00", "chat/\n", "chat/\x7f", "chat/\u202e", "chat/\u2028", "chat/\ud800"),
            *("chat/\ufeffx", "chat/\ue000", "chat/\uffff"),
        ):
            self.refused(text)

    def test_oddTable(self) -> None:
        """
        A table may have nearly any name, but no empty one, none with a slash and none with
        unprintable characters.
        """
        self.assertEqual(parse('o"; DROP').table, 'o"; DROP')
        for text in ("table/", "table//shop", "table/a/b", "table/shop", "or\x00ders", "\u202ex"):
            self.refused(text)

    def test_control(self) -> None:
        """
        The error names an unprintable character by its number.
        """
        self.assertIn("U+001B", self.refused("chat/\x1b[31m"))

    def test_long(self) -> None:
        """
        The limit counts the canonical form, so a topic that was accepted is accepted again by the
        name in the answer.
        """
        fits = "a" * (LENGTH - len("table//shop"))
        self.assertEqual(len(parse(fits).canonical), LENGTH)
        for text in (fits + "a", f"table/{fits}a", f"table/{fits}a/shop", "x/" + "a" * 10_000_000):
            self.assertIn(str(LENGTH), self.refused(text))

    def test_otherProject(self) -> None:
        """
        The topic of another project is refused, and the error names the project.
        """
        for text in ("chat/general/blog", "table/orders/blog", "lobby/blog"):
            self.assertIn("blog", self.refused(text, "wrong_project"))

    def test_judgedAnew(self) -> None:
        """
        A name that was accepted is refused where the limit is smaller, or where it is another
        project's, and is another topic in another project.
        """
        accepted = parseTopic("chat/blog", PROJECT, {PROJECT}, LENGTH)
        self.assertEqual(accepted.canonical, "chat/blog/shop")
        for projects, length, code in (
            ({PROJECT}, len("chat/blog/shop") - 1, "invalid_topic"),
            ({PROJECT, "blog"}, LENGTH, "wrong_project"),
        ):
            error = self.assertRaises(
                RealtimeError, parseTopic, "chat/blog", PROJECT, projects, length
            )
            self.assertEqual(error.code, code)
        self.assertEqual(parseTopic("chat/blog", "q", {"q"}, LENGTH).canonical, "chat/blog/q")

    def test_namesake(self) -> None:
        """
        A table or room with the name of another project is reached by its canonical name, and a
        table also by its own.
        """
        self.assertEqual(parse("blog").canonical, "table/blog/shop")
        self.assertEqual(parse("table/blog/shop").table, "blog")
        self.assertEqual(parse("chat/blog/shop").canonical, "chat/blog/shop")

    @given(names)
    def test_nothingRefusedIsAccepted(self, text: str) -> None:
        """
        No accepted topic has a part or a character that topics cannot have.
        """
        try:
            topic = parse(text)
        except RealtimeError:
            return
        unprintable = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        self.assertFalse(unprintable & {unicodedata.category(c) for c in topic.path})
        parts = topic.path.split("/")
        self.assertNotIn("", parts)
        if topic.table is None:
            self.assertFalse(set("\"'`\\;<>*#?") & set(topic.path))
            self.assertFalse({".", ".."} & set(parts))
            self.assertNotEqual(parts[0], "table")


class RememberedTests(SynchronousTestCase):
    """
    Tests for the topics that are remembered by their names.
    """

    def test_bounded(self) -> None:
        """
        So many names are remembered, the newest ones, and no long ones.
        """
        for number in range(2000):
            checkEvent(f"e{number}", 1000)
        events = topics._checkEventOften.cache_info()
        checkEvent("e" * (topics.SHORT + 1), 1000)
        self.assertEqual(topics._checkEventOften.cache_info(), events)
        self.assertEqual((events.currsize, events.maxsize), (1024, 1024))
        for number in range(5000):
            parse(f"chat/{number}")
        known = topics._named.cache_info()
        self.assertEqual((known.currsize, known.maxsize), (4096, 4096))
        for _ in range(2):
            parse("chat/4999")
            parse("chat/" + "a" * topics.SHORT, 2 * topics.SHORT)
        now = topics._named.cache_info()
        self.assertEqual((now.hits - known.hits, now.misses - known.misses), (2, 0))
        for known in (topics._checkOften, topics._splitOften):
            self.assertEqual(known.cache_info().maxsize, 4096)
        before = topics._splitOften.cache_info()
        long = "chat/" + "a" * topics.SHORT
        self.assertEqual(topics.topicOf(f"{long}/p"), Topic(long, "p"))
        self.assertEqual(topics._splitOften.cache_info(), before)
        self.assertIs(topics.topicOf("chat/a/p"), topics.topicOf("chat/a/p"))


class EventTests(SynchronousTestCase):
    """
    Tests for L{checkEvent}.
    """

    def test_good(self) -> None:
        """
        Ordinary names pass, up to the limit.
        """
        for event in ("order:updated", "message", "ünïcode", "two words", "presence", "a" * 16):
            checkEvent(event, 16)

    def test_bad(self) -> None:
        """
        Empty, too long, unprintable and reserved names are refused, and the name that means all
        events.
        """
        for event in ("", "a" * 17, "a\nb", "\x00", "\ud800", "*", "presence:join", "presence:"):
            error = self.assertRaises(RealtimeError, checkEvent, event, 16)
            self.assertEqual(error.code, "invalid_event", event)

    @given(st.text(max_size=20))
    def test_any(self, event: str) -> None:
        """
        Any name is accepted, or refused with C{invalid_event}.
        """
        try:
            checkEvent(event, 16)
        except RealtimeError as error:
            self.assertEqual(error.code, "invalid_event")
        else:
            self.assertTrue(0 < len(event) <= 16 and "\x00" not in event)
