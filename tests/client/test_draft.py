"""
Tests for L{aerostack.client.draft}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.draft import LONGEST, Draft, Held, readEnd
from aerostack.client.errors import ClientError
from aerostack.client.outgoing import encodeGiven
from aerostack.core.answers.answer import Answer, Terms, Verdict
from aerostack.core.answers.units import units
from aerostack.protocol.codec import MAX_DEPTH


def texts(draft: Draft) -> list[tuple[str, int, str]]:
    """
    The part, the place and the text of each operation that goes out next.
    """
    return [(each["part"], each["at"], each["text"]) for each in draft.take()]


class DraftTests(SynchronousTestCase):
    """
    Tests for L{Draft}.
    """

    def setUp(self) -> None:
        self.draft = Draft()

    def write(self, *given: str) -> None:
        """
        Write some texts to the first part.
        """
        for text in given:
            self.draft.write("0", "text", text)

    def test_gathers(self) -> None:
        """
        What was written while something was under way goes out together.
        """
        self.assertFalse(self.draft.isPending)
        self.write("Hel", "lo ")
        self.assertEqual(self.draft.waiting, 6)
        self.assertEqual(texts(self.draft), [("0", 0, "Hello ")])
        self.write("😀")
        self.write("!")
        self.assertFalse(self.draft.isPending)
        self.draft.taken()
        self.assertTrue(self.draft.isPending)
        self.assertEqual(texts(self.draft), [("0", 6, "😀!")])
        self.draft.taken()
        self.assertTrue(self.draft.isTaken)
        self.write("?")
        self.assertEqual(texts(self.draft), [("0", 9, "?")])

    def test_order(self) -> None:
        """
        Parts and values go out in the order in which they were written.
        """
        self.write("a")
        self.draft.write("r", "reasoning", "b")
        self.write("c")
        self.draft.put("t", "tool", {"name": "weather", "input": {}})
        self.write("d")
        self.assertEqual(
            self.draft.take(),
            [
                {"part": "0", "kind": "text", "at": 0, "text": "a"},
                {"part": "r", "kind": "reasoning", "at": 0, "text": "b"},
                {"part": "0", "kind": "text", "at": 1, "text": "c"},
                {"part": "t", "kind": "tool", "value": {"name": "weather", "input": {}}},
                {"part": "0", "kind": "text", "at": 2, "text": "d"},
            ],
        )

    def test_again(self) -> None:
        """
        What goes out again is the same, though more was written since.
        """
        self.write("Hel")
        first = texts(self.draft)
        self.draft.again()
        self.write("lo")
        self.assertEqual(texts(self.draft), [*first, ("0", 3, "lo")])

    def test_rewind(self) -> None:
        """
        After a daemon has lost text, everything goes out from there.
        """
        self.write("Hello 😀")
        self.draft.take()
        self.draft.taken()
        self.write("world")
        self.draft.take()
        self.draft.rewind(({"0": 3}, {}))
        self.assertEqual(texts(self.draft), [("0", 3, "lo 😀"), ("0", 8, "world")])
        self.draft.rewind(({}, {}))
        self.assertEqual([at for _, at, _ in texts(self.draft)], [0, 3, 8])
        self.draft.rewind(({"0": 13}, {}))
        self.assertTrue(self.draft.isTaken)

    def test_long(self) -> None:
        """
        A long text goes out in several operations, and not all at once.
        """
        whole = "x" * (LONGEST * 10 + 5)
        self.write(whole)
        got, batches = "", 0
        while self.draft.isPending:
            operations = texts(self.draft)
            self.assertTrue(all(len(text) <= LONGEST for _, _, text in operations))
            got += "".join(text for _, _, text in operations)
            self.draft.taken()
            batches += 1
        self.assertEqual(got, whole)
        self.assertGreater(batches, 2)

    def test_takeBack(self) -> None:
        """
        Text can be written in place of what is behind a place of its part.
        """
        self.write("Hello")
        self.draft.write("0", "text", "p", 3)
        self.write("!")
        self.draft.write("0", "text", "", 0)
        self.assertEqual(
            self.draft.take(),
            [
                {"part": "0", "kind": "text", "at": 0, "text": "Hello"},
                {"part": "0", "kind": "text", "at": 3, "text": "", "edition": 1},
                {"part": "0", "kind": "text", "at": 3, "text": "p!", "edition": 2},
                {"part": "0", "kind": "text", "at": 0, "text": "", "edition": 3},
                {"part": "0", "kind": "text", "at": 0, "text": "", "edition": 4},
            ],
        )
        self.write("😀b")
        for place in (-1, 1, 4):
            self.assertRaises(ValueError, self.draft.write, "0", "text", "x", place)
        self.assertRaises(ValueError, self.draft.write, "new", "text", "x", 1)
        self.draft.write("0", "text", "x", 3)

    def test_lostTakingBack(self) -> None:
        """
        A daemon that has lost where text was taken back asks for that, and does not take the text
        behind it for the place.
        """
        answer = self.load("", 0)
        self.write("Hello world")
        self.fold(self.draft, answer, answered=True)
        kept = self.store(answer)
        self.draft.write("0", "text", "Good", 0)
        self.fold(self.draft, answer, answered=True)
        answer = self.load(*kept)
        self.write("bye")
        while self.draft.isPending:
            self.fold(self.draft, answer, answered=True)
        self.assertEqual(self.store(answer)[0], "Goodbye")

    def test_half(self) -> None:
        """
        Half a character is refused where it is written.
        """
        self.assertRaises(ValueError, self.write, "a\ud83d")
        self.assertTrue(self.draft.isTaken)

    def test_noText(self) -> None:
        """
        What is no text is refused where it is written.  A model's last piece may have none.
        """
        draft: Any = self.draft
        for wrong in (None, b"a", 1):
            with self.assertRaisesRegex(TypeError, "what is written is text"):
                draft.write("0", "text", wrong)
        self.assertRaises(TypeError, draft.write, 0, "text", "a")
        for part in (0, "\ud83d"):
            self.assertRaises((TypeError, ValueError), draft.write, part, "text", "a")
            self.assertRaises((TypeError, ValueError), draft.put, part, "data", {"name": "n"})
        self.assertTrue(self.draft.isTaken)

    def test_noValue(self) -> None:
        """
        A value that cannot be sent is refused where it is given, and what follows goes out.
        """
        deep: list[Any] = []
        for _ in range(MAX_DEPTH - 3):
            deep = [deep]
        self.draft.put("d", "data", {"value": deep[0]})
        for value in (object(), float("nan"), "\ud83d", 10**400, deep):
            with self.assertRaisesRegex((TypeError, ValueError), "^the value of the part e"):
                self.draft.put("e", "data", {"name": "n", "value": value})
        self.write("on")
        sent = self.draft.take()
        self.assertEqual([each["part"] for each in sent], ["d", "0"])
        # The calls of the daemon take them so.
        encodeGiven(sent, "ai.append")

    def test_changed(self) -> None:
        """
        A value goes out as it was when it was given.
        """
        sources = ["a"]
        self.draft.put("d", "data", {"name": "sources", "value": sources})
        sources.append("b")
        self.assertEqual(self.draft.take()[0]["value"], {"name": "sources", "value": ["a"]})

    @given(st.data())
    def test_daemon(self, data: st.DataObject) -> None:
        """
        A daemon that forgets and answers that get lost leave the whole text in the end.
        """
        draft, answer, whole = Draft(), self.load("", 0), ""
        stored = [("", 0)]
        for _ in range(data.draw(st.integers(1, 25))):
            act = data.draw(st.sampled_from(["write", "back", "send", "send", "lose", "forget"]))
            if act in ("write", "back"):
                text = data.draw(st.text(st.sampled_from("ab😀漢"), max_size=5))
                if act == "back":
                    whole = whole[: data.draw(st.integers(0, len(whole)))]
                draft.write("0", "text", text, units(whole) if act == "back" else None)
                whole += text
            elif act == "forget":
                answer = self.load(*data.draw(st.sampled_from(stored)))
            elif draft.isPending:
                self.fold(draft, answer, answered=act == "send")
                stored.append(self.store(answer))
        # The daemon may have forgotten something after the last operation.
        draft.rewind(self.holds(answer))
        while draft.isPending:
            self.fold(draft, answer, answered=True)
        self.assertEqual(self.store(answer)[0], whole)

    def load(self, text: str, edition: int) -> Answer:
        """
        What a daemon has after a restart.
        """
        answer = Answer("a1", "r1", "ai/x/p", Terms(), 1000)
        if text or edition:
            answer.append("0", "text", text, edition)
        return answer

    def store(self, answer: Answer) -> tuple[str, int]:
        """
        What a daemon keeps for a restart.
        """
        part = answer.parts.get("0")
        return ("", 0) if part is None else (part.read(0, part.length), part.edition)

    def holds(self, answer: Answer) -> Held:
        """
        What a daemon says that it has.
        """
        return answer.lengths, answer.editions

    def fold(self, draft: Draft, answer: Answer, answered: bool) -> None:
        """
        Fold operations as a daemon does.

        @param answered: Whether the answer arrives.
        """
        for each in draft.take():
            place = "0", "text", each["at"], each["text"], each.get("edition", 0)
            verdict, rest = answer.judge(*place)
            if verdict is Verdict.GAP:
                draft.rewind(self.holds(answer))
                return
            if verdict is Verdict.RESET:
                answer.takeBack("0", each["at"], each["edition"])
            elif verdict is not Verdict.TAKEN:
                self.assertIs(verdict, Verdict.KNOWN)
            if rest:
                answer.append("0", "text", rest, each.get("edition", 0))
        if answered:
            draft.taken()
        else:
            draft.again()


class EndTests(SynchronousTestCase):
    """
    Tests for L{readEnd}.
    """

    def test_ends(self) -> None:
        """
        A refusal says whether the stream has ended, and how.
        """
        details: dict[str, Any] = {"state": "cancelled", "by": "ann"}
        ended = readEnd(ClientError("stream_ended", "It has ended.", None, details))
        assert ended is not None
        self.assertEqual((ended.code, ended.state, ended.by), ("stream_ended", "cancelled", "ann"))
        for code, state in (("stream_fenced", "streaming"), ("stream_unknown", "unknown")):
            over = readEnd(ClientError(code, "Over."))
            assert over is not None
            self.assertEqual((over.state, over.by), (state, None))
        self.assertIsNone(readEnd(ClientError("stream_gap", "Go back.")))
