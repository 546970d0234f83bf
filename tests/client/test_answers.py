"""
Tests for L{aerostack.client.answers}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.answers import Answer, Answers
from aerostack.client.errors import ClientError
from aerostack.core.answers.units import units

TEXT = st.text(st.sampled_from("ab é漢😀"), max_size=4)


def frame(event: str, data: Any, stream: str = "s", **fields: Any) -> dict[str, Any]:
    return {"type": "event", "event": event, "data": data, "stream": stream, **fields}


def start(stream: str = "s") -> dict[str, Any]:
    return frame("ai:start", {"id": stream, "owner": "ann", "meta": {}}, stream)


def token(at: int, text: str, **fields: Any) -> dict[str, Any]:
    return frame("ai:token", {"token": text}, part="0", at=at, **fields)


def done(state: str = "done", **data: Any) -> dict[str, Any]:
    return frame("ai:done", {"id": "s", "state": state, **data}, state=state)


class AnswersTests(SynchronousTestCase):
    """
    Tests for L{Answers}.
    """

    def setUp(self) -> None:
        self.cancelled: list[str] = []
        self.asked: dict[str, Deferred[Any]] = {}
        self.answers = Answers(self.cancel, self.read)

    def cancel(self, stream: str) -> Deferred[None]:
        """
        Note which stream is cancelled.
        """
        self.cancelled.append(stream)
        return succeed(None)

    def read(self, stream: str) -> Deferred[Any]:
        """
        Note which stream is read.
        """
        self.asked[stream] = Deferred()
        return self.asked[stream]

    def take(self, *frames: dict[str, Any]) -> None:
        """
        Take frames of which none is missing.
        """
        for each in frames:
            self.assertTrue(self.answers.received(each))

    @property
    def newest(self) -> Answer:
        """The newest answer, which there is."""
        newest = self.answers.newest
        assert newest is not None
        return newest

    def test_grows(self) -> None:
        """
        An answer grows with its frames, and says how it has ended.
        """
        changes: list[Answer] = []
        self.answers.onChange(changes.append)
        self.take(start(), token(0, "Hel"), token(3, "lo"), done(usage={"tokens": 2}, kept=True))
        self.assertEqual([each.text for each in changes], ["", "Hel", "Hello", "Hello"])
        self.assertEqual([each.state for each in changes], ["streaming"] * 3 + ["done"])
        self.assertEqual(self.newest.parts, [{"id": "0", "kind": "text", "text": "Hello"}])
        self.assertEqual(
            self.newest.fields,
            {"owner": "ann", "meta": {}, "usage": {"tokens": 2}, "kept": True},
        )
        self.assertEqual(self.answers.list, [self.newest])
        self.assertEqual(self.answers.get("s"), self.newest)
        self.assertIsNone(self.answers.get("other"))

    def test_parts(self) -> None:
        """
        Only text is in the text, and each part has what came of it.
        """
        self.take(
            start(),
            frame("ai:reasoning", {"token": "Hm"}, part="r", at=0),
            token(0, "It "),
            frame("ai:tool", {"call": "c", "name": "weather", "args": '{"a'}, part="c", at=0),
            frame("ai:tool", {"args": '":1}'}, part="c", at=3),
            frame("ai:tool", {"input": {"a": 1}}, part="c"),
            token(3, "rains"),
            frame("ai:data", {"name": "sources", "value": [1]}, part="d"),
        )
        self.assertEqual(self.newest.text, "It rains")
        tool = {"id": "c", "kind": "tool", "call": "c", "name": "weather"}
        self.assertEqual(
            self.newest.parts,
            [
                {"id": "r", "kind": "reasoning", "text": "Hm"},
                {"id": "0", "kind": "text", "text": "It rains"},
                {**tool, "text": '{"a":1}', "input": {"a": 1}},
                {"id": "d", "kind": "data", "text": "", "name": "sources", "value": [1]},
            ],
        )

    def test_missing(self) -> None:
        """
        A frame behind a gap changes nothing.
        """
        self.take(start(), token(0, "😀"))
        self.assertFalse(self.answers.received(token(3, "x")))
        self.assertEqual(self.newest.text, "😀")
        # Half a character is no place.
        self.assertFalse(self.answers.received(token(1, "x", reset=True)))
        self.take(token(2, "x"))
        self.assertEqual(self.newest.text, "😀x")

    @given(st.lists(st.tuples(st.integers(0, 2), TEXT, st.integers(0, 30)), max_size=20))
    def test_model(self, steps: list[tuple[int, str, int]]) -> None:
        """
        Text that comes twice in part, or is taken back, leaves the text that the publisher has; and
        a handler of the events gets no text twice.
        """
        answers = Answers(self.cancel, self.read)
        answers.received(start())
        whole = heard = ""
        for kind, text, place in steps:
            cut = min(place, len(whole))
            if kind == 0:
                frames = token(units(whole[:cut]), text, reset=True)
                whole = whole[:cut] + text
            elif kind == 1:
                whole += text
                frames = token(units(whole[:cut]), whole[cut:])
            else:
                frames = token(units(whole), text)
                whole += text
            fresh = answers.fresh(frames)
            if kind == 0:
                self.assertIs(fresh, frames)
                heard = whole
            elif fresh is not None:
                self.assertEqual(fresh["at"], units(heard))
                heard += fresh["data"]["token"]
            self.assertEqual(heard, whole)
            self.assertTrue(answers.received(frames))
        newest = answers.newest
        assert newest is not None
        self.assertEqual(newest.text, whole)

    def test_freshArguments(self) -> None:
        """
        Of the arguments of a tool's call, too, a handler gets what is new; a value has no place and
        comes as it is.
        """
        args = frame("ai:tool", {"call": "c", "args": '{"a'}, part="c", at=0)
        self.take(start(), args)
        self.assertIsNone(self.answers.fresh(args))
        more = frame("ai:tool", {"call": "c", "args": '"a":1}'}, part="c", at=1)
        fresh = self.answers.fresh(more)
        assert fresh is not None
        self.assertEqual((fresh["at"], fresh["data"]), (3, {"call": "c", "args": '":1}'}))
        value = frame("ai:tool", {"call": "c", "input": {"a": 1}}, part="c")
        self.assertIs(self.answers.fresh(value), value)

    def test_over(self) -> None:
        """
        After its end an answer takes no more text.
        """
        self.take(
            start(), token(0, "Hel"), done("cancelled", by="ann"), token(3, "lo"), token(9, "?")
        )
        self.assertEqual((self.newest.text, self.newest.state), ("Hel", "cancelled"))
        self.assertEqual(self.newest.fields["by"], "ann")

    def test_kept(self) -> None:
        """
        The message that the history keeps has the whole text.
        """
        parts = [{"part": "r", "kind": "reasoning", "text": "Hm"}, {"part": "0", "kind": "text"}]
        self.take(
            start(), done(text="All", parts=[*parts, {"part": "1", "kind": "text", "text": "All"}])
        )
        self.assertEqual(self.newest.text, "All")
        self.assertEqual([each["id"] for each in self.newest.parts], ["r", "0", "1"])
        self.take(done("aborted", text="A bit"))
        self.assertEqual((self.newest.text, self.newest.state), ("A bit", "aborted"))

    def test_away(self) -> None:
        """
        An answer that ended while the client was away does not stream for ever.
        """
        self.take(start("old"), start())
        self.answers.subscribed(True)
        self.answers.settled()
        self.assertEqual([each.state for each in self.answers.list], ["streaming"] * 2)
        self.answers.subscribed(False)
        self.take(start())
        self.answers.settled()
        self.assertEqual([each.state for each in self.answers.list], ["unknown", "streaming"])
        # It goes on after all.
        self.take(frame("ai:token", {"token": "a"}, "old", part="0", at=0))
        self.assertEqual([each.state for each in self.answers.list], ["streaming"] * 2)

    def test_read(self) -> None:
        """
        An answer that ended while the client was away is read, and gets the text and the state;
        one that the daemon does not know stays as it is, and so does one that goes on by then.
        """
        streams = ["a", "b", "c", "d"]
        self.take(*(start(stream) for stream in streams))
        self.answers.subscribed(False)
        self.answers.settled()
        self.assertEqual(sorted(self.asked), streams)
        self.take(start("c"))
        parts = [
            {"part": "0", "kind": "text", "text": "All"},
            {"part": "c1", "kind": "tool", "args": "{}", "name": "weather", "input": {}},
        ]
        found = {"stream": "a", "topic": "t", "state": "aborted", "text": "All", "parts": parts}
        found |= {"epoch": 2, "owner": "bob", "meta": {}, "reason": "lease", "usage": None}
        for stream in ("a", "c"):
            self.asked[stream].callback(found)
        self.asked["b"].errback(ClientError("stream_unknown", "It was not kept."))
        self.asked["d"].callback({**found, "state": "streaming"})
        shown = {each.id: (each.state, each.text) for each in self.answers.list}
        self.assertEqual(
            shown,
            {
                **{"a": ("aborted", "All"), "b": ("unknown", "")},
                **{"c": ("streaming", ""), "d": ("unknown", "")},
            },
        )
        answer: Any = self.answers.get("a")
        fields = {"owner": "bob", "meta": {}, "reason": "lease", "usage": None}
        self.assertEqual(answer.fields, fields)
        self.assertEqual(answer.parts[1]["text"], "{}")

    def test_strange(self) -> None:
        """
        Data of any shape, which a server may publish, breaks nothing.
        """
        for data in (None, 1, "text", [], {"token": 5}, {"args": None}):
            for event in ("ai:start", "ai:token", "ai:tool", "ai:data", "ai:else"):
                self.take(frame(event, data, part="p", at=0))
        self.assertEqual(self.newest.text, "")
        for data in (None, {"text": 1}, {"text": "x", "parts": [None, {}, {"text": 1}]}):
            self.take(frame("ai:done", data, state="aborted"))
            self.assertEqual((self.newest.text, self.newest.state), ("", "aborted"))

    def test_bounded(self) -> None:
        """
        Answers that have ended do not pile up, and those that go on stay.
        """
        self.take(start("first"))
        for n in range(100):
            self.take(frame("ai:done", {}, f"s{n}", state="done"))
        self.assertEqual(len(self.answers.list), 33)
        self.assertEqual(self.answers.list[0].id, "first")

    def test_oldest(self) -> None:
        """
        An answer that ends after many that began later says how it has ended, and stays; the one
        that ended first goes.
        """
        changes: list[Answer] = []
        self.answers.onChange(changes.append)
        self.take(start("old"))
        for number in range(40):
            self.take(frame("ai:done", {}, str(number), state="done"))
        self.take(frame("ai:done", {}, "old", state="aborted"))
        self.assertEqual((changes[-1].id, changes[-1].state), ("old", "aborted"))
        self.assertEqual(self.answers.get("old"), changes[-1])
        self.assertEqual(len(self.answers.list), 32)
        self.assertIsNone(self.answers.get("8"))
        self.assertIsNotNone(self.answers.get("9"))

    def test_goesOn(self) -> None:
        """
        An answer whose end was not known, and that goes on, is not forgotten before it ends.
        """
        self.take(start())
        self.answers.subscribed(False)
        self.answers.settled()
        self.take(token(0, "Hello"))
        for number in range(40):
            self.take(frame("ai:done", {}, str(number), state="done"))
        self.assertEqual(self.newestOf("s"), ("streaming", "Hello"))
        self.take(done())
        self.assertEqual(self.newestOf("s"), ("done", "Hello"))

    def newestOf(self, stream: str) -> tuple[str, str]:
        """
        The state and the text of an answer, which there is.
        """
        answer = self.answers.get(stream)
        assert answer is not None
        return answer.state, answer.text

    def test_cancel(self) -> None:
        """
        An answer can be stopped.
        """
        self.take(start())
        self.assertIsNone(self.successResultOf(self.newest.cancel()))
        self.assertEqual(self.cancelled, ["s"])

    def test_clear(self) -> None:
        """
        A channel that was unsubscribed has no answers and no callbacks.
        """
        self.answers.onChange(lambda answer: None)
        self.take(start())
        self.assertTrue(self.answers.watched)
        self.answers.clear()
        self.assertFalse(self.answers.watched)
        self.assertIsNone(self.answers.newest)
