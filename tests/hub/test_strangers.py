"""
Tests for L{aerostack.hub.strangers}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.answers.copying import Page, Place, pageOf
from aerostack.core.replay.log import Depth
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import EVENT, Publication, StreamMark
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.errors import RealtimeError
from aerostack.hub import strangers
from aerostack.hub.sequencing import Sequencer
from aerostack.hub.strangers import Strangers
from aerostack.protocol.framing import Frame, payloadOf

TOPIC = "ai/x/p"
DEPTH = Depth(1000, 1_000_000, 300.0)


class StrangersTests(SynchronousTestCase):
    """
    A process that follows a topic from the middle of a stream on.

    @ivar copies: The pages that were asked for: the stream, and where each begins.
    @ivar origin: The streams at the node that judges them.
    """

    def setUp(self) -> None:
        clock = Clock()
        self.sequencer = Sequencer(
            clock,
            lambda: 1000,
            TopicLogs(lambda topic: DEPTH, lambda: "e", 1_000_000),
            TopicPolicies([], TopicPolicy(DEPTH)),
        )
        self.sequencer.shareLog(TOPIC, Position("e", 10, 0))
        self.filling: Deferred[None] | None = None
        self.origin: dict[str, Answer] = {}
        self.copies: list[tuple[str, Place]] = []
        self.held: list[Deferred[Page]] | None = None
        self.sent: list[Frame] = []
        self.offset = 10
        self.strangers = Strangers(
            self.sequencer,
            lambda topic: self.filling,
            self.copy,
            lambda topic, frame: self.sent.append(frame),
        )

    def copy(self, project: str, stream: str, place: Place) -> Deferred[Page]:
        """
        Give a page, at once or when the test does.
        """
        self.copies.append((stream, place))
        answer = self.origin.get(stream)
        if self.held is not None:
            self.held.append(Deferred())
            return self.held[-1]
        if answer is None:
            return fail(RealtimeError("stream_unknown", "There is no such stream."))
        return succeed(pageOf(answer, place, 5))

    def begin(self, stream: str, text: str) -> None:
        """
        Let a stream have a text that did not come here.
        """
        answer = self.origin[stream] = Answer(stream, stream, TOPIC, Terms(), 1000)
        answer.show("0", "text", 0, text)

    def receive(self, mark: StreamMark | None, data: bytes = b"") -> None:
        """
        Let an entry come.
        """
        self.offset += 1
        event = "ai:done" if mark is not None and mark.state else "ai:token"
        publication = Publication(TOPIC, EVENT, event, data, None, 1000, None, mark)
        entry = SharedEntry(Position("e", self.offset, 0, tag=str(self.offset)), "", publication)
        frame = self.sequencer.placeEntry(entry)
        assert frame is not None
        if not self.strangers.hold(entry, frame):
            self.sent.append(frame)

    def text(self, stream: str, at: int, text: str) -> None:
        """
        Let a text come.
        """
        self.receive(StreamMark(stream, "0", "text", at, text))

    def events(self) -> list[Any]:
        """
        What was sent: the event, or the text with where it begins.
        """
        found: list[Any] = []
        for frame in self.sent:
            for part in frame.parts:
                fields = json.loads(payloadOf(part))
                token = fields["data"].get("token") if isinstance(fields["data"], dict) else None
                found.append(fields["event"] if token is None else (fields["at"], token))
        self.sent.clear()
        return found

    def test_copied(self) -> None:
        """
        The beginning comes from the node that has the stream, in pages, before the next piece; what
        follows comes as it is.
        """
        self.begin("a1", "x" * 40_000)
        self.text("a1", 40_000, "y")
        events = self.events()
        self.assertEqual(events[0], "ai:start")
        text = ""
        for at, token in events[1:]:
            text += token[len(text) - at :]
        self.assertEqual(text, "x" * 40_000 + "y")
        self.assertGreater(len(self.copies), 2)
        self.text("a1", 40_001, "z")
        self.assertEqual(self.events(), [(40_001, "z")])

    def test_order(self) -> None:
        """
        While the beginning is on its way, everything of the topic waits, and then comes in order.
        """
        self.begin("a1", "abc")
        self.held = []
        self.text("a1", 3, "d")
        self.receive(None, b"1")
        self.text("a1", 4, "e")
        self.assertEqual(self.events(), [])
        self.held[0].callback(pageOf(self.origin["a1"], Place()))
        events = self.events()
        self.assertEqual(events[0], "ai:start")
        self.assertEqual(events[-3:], [(3, "d"), "ai:token", (4, "e")])
        answer = self.sequencer.answers.get("p", "a1")
        assert answer is not None
        self.assertEqual(answer.parts["0"].read(0, 5), "abcde")

    def test_ahead(self) -> None:
        """
        Where the node of the stream is ahead of the log, each text comes once nevertheless.
        """
        self.begin("a1", "a😀")
        self.held = []
        self.text("a1", 3, "d")
        self.text("a1", 4, "e")
        for at, text in ((3, "d"), (4, "e"), (5, "f")):
            self.origin["a1"].show("0", "text", at, text)
        self.held[0].callback(pageOf(self.origin["a1"], Place()))
        self.text("a1", 5, "f")
        self.assertEqual(self.events(), ["ai:start", (0, "a😀"), (3, "d"), (4, "e"), (5, "f")])

    def test_known(self) -> None:
        """
        Of a stream that subscribers have, they get nothing again while another one is copied.
        """
        self.begin("a1", "abc")
        self.text("a1", 3, "d")
        self.events()
        self.begin("a2", "A")
        self.held = []
        self.text("a2", 1, "B")
        self.text("a1", 4, "e")
        self.held[0].callback(pageOf(self.origin["a2"], Place()))
        self.assertEqual(self.events(), ["ai:start", (0, "A"), (1, "B"), (4, "e")])

    def test_begins(self) -> None:
        """
        A stream that begins while another one is copied begins once.
        """
        self.begin("a1", "abc")
        self.held = []
        self.text("a1", 3, "d")
        self.receive(StreamMark("a2"), b'{"id":"a2"}')
        self.text("a2", 0, "A")
        self.held[0].callback(pageOf(self.origin["a1"], Place()))
        self.assertEqual(self.events(), ["ai:start", (0, "abc"), (3, "d"), "ai:token", (0, "A")])

    def test_several(self) -> None:
        """
        A second stream that turns up meanwhile is copied, too.
        """
        for stream in ("a1", "a2"):
            self.begin(stream, "abc")
        self.held = []
        self.text("a1", 3, "d")
        self.text("a2", 3, "d")
        self.held[0].callback(pageOf(self.origin["a1"], Place()))
        self.held[1].callback(pageOf(self.origin["a2"], Place()))
        self.assertEqual(self.events().count("ai:start"), 2)

    def test_unknown(self) -> None:
        """
        A stream whose beginning no node has is not asked for again; what comes of it is sent.
        """
        self.text("a1", 3, "d")
        self.text("a1", 4, "e")
        self.assertEqual(self.events(), [(3, "d"), (4, "e")])
        self.assertEqual(len(self.copies), 1)

    def test_onlyEnd(self) -> None:
        """
        If the end is the first that comes of a stream, subscribers get its text before that; where
        no node has the text, they get the end.
        """
        self.begin("a1", "abc")
        for stream, events in (("a1", ["ai:start", (0, "abc"), "ai:done"]), ("a2", ["ai:done"])):
            self.receive(StreamMark(stream, state="done"), b"{}")
            self.assertEqual(self.events(), events)
        self.assertEqual(len(self.sequencer.answers), 0)

    def test_endMeanwhile(self) -> None:
        """
        If a stream ends while its beginning is on its way, subscribers get the whole text.
        """
        self.begin("a1", "abcd")
        self.held = []
        self.text("a1", 3, "d")
        self.receive(StreamMark("a1", state="done"), b"{}")
        self.assertEqual(self.events(), [])
        self.held[0].callback(pageOf(self.origin["a1"], Place()))
        self.assertEqual(self.events(), ["ai:start", (0, "abc"), (3, "d"), "ai:done"])

    def test_filled(self) -> None:
        """
        If the server has the log but does not answer, the node that has the stream is asked.
        """
        self.begin("a1", "abc")
        self.filling = fail(RealtimeError("engine_unavailable", "It is down.", 1000))
        self.text("a1", 3, "d")
        self.assertEqual(self.events()[0], "ai:start")

    def test_hole(self) -> None:
        """
        If entries are missing, because the shared log has broken off, the text is copied anew.
        """
        self.begin("a1", "abc")
        self.text("a1", 3, "d")
        self.events()
        self.origin["a1"].show("0", "text", 3, "d----")
        self.text("a1", 8, "e")
        events = self.events()
        self.assertEqual((events[0], events[-1]), ("ai:start", (8, "e")))
        answer = self.sequencer.answers.get("p", "a1")
        assert answer is not None
        self.assertEqual(answer.parts["0"].read(0, 9), "abcd----e")

    def test_own(self) -> None:
        """
        A stream that this node judges is never copied; if subscribers have not had its beginning,
        they get it with the next piece, once.
        """
        answer = Answer("a1", "r1", TOPIC, Terms(), 1000)
        answer.show("0", "text", 0, "abc")
        answer.isShown = answer.isUnseen = True
        self.sequencer.answers.enter(answer)
        self.text("a1", 3, "d")
        self.assertEqual(self.events()[0], "ai:start")
        self.text("a1", 9, "late")
        self.assertEqual(self.events(), [(9, "late")])
        self.assertIs(self.sequencer.answers.get("p", "a1"), answer)
        self.assertEqual(self.copies, [])

    def test_endless(self) -> None:
        """
        A stream of which there is always one more page is not read for ever.
        """
        self.patch(strangers, "MAX_PAGES", 3)
        self.begin("a1", "x" * 100_000)
        self.text("a1", 100_000, "y")
        self.assertEqual(self.events(), [(100_000, "y")])
        self.assertEqual(len(self.copies), 3)

    def test_many(self) -> None:
        """
        If too much comes meanwhile, it is not waited for the beginning.
        """
        self.patch(strangers, "MAX_HELD", 5)
        self.held = []
        for at in range(6):
            self.text("a1", 3 + at, "x")
        self.assertEqual(self.events(), [(3 + at, "x") for at in range(6)])
        self.held[0].errback(RealtimeError("stream_unknown", "It is gone."))
        self.assertEqual(self.events(), [])
