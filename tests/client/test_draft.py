"""
Tests for L{aerostack.client.draft}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.draft import LONGEST, Draft, readEnd
from aerostack.client.errors import ClientError
from aerostack.core.answers.units import units


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
        self.draft.rewind({"0": 3})
        self.assertEqual(texts(self.draft), [("0", 3, "lo 😀"), ("0", 8, "world")])
        self.draft.rewind({})
        self.assertEqual([at for _, at, _ in texts(self.draft)], [0, 3, 8])
        self.draft.rewind({"0": 13})
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

    def test_half(self) -> None:
        """
        Half a character is refused where it is written.
        """
        self.assertRaises(ValueError, self.write, "a\ud83d")
        self.assertTrue(self.draft.isTaken)

    @given(st.data())
    def test_daemon(self, data: st.DataObject) -> None:
        """
        A daemon that forgets and answers that get lost leave the whole text in the end.
        """
        draft, held, whole = Draft(), "", ""
        for _ in range(data.draw(st.integers(1, 25))):
            act = data.draw(st.sampled_from(["write", "send", "send", "lose", "forget"]))
            if act == "write":
                text = data.draw(st.text(st.sampled_from("ab😀漢"), max_size=5))
                draft.write("0", "text", text)
                whole += text
            elif act == "forget":
                held = held[: data.draw(st.integers(0, len(held)))]
            elif draft.isPending:
                held = self.fold(draft, held, answered=act == "send")
        # The daemon may have forgotten something after the last operation.
        draft.rewind({"0": units(held)})
        while draft.isPending:
            held = self.fold(draft, held, answered=True)
        self.assertEqual(held, whole)

    def fold(self, draft: Draft, held: str, answered: bool) -> str:
        """
        Fold operations as a daemon does.

        @param answered: Whether the answer arrives.
        """
        before = held
        for operation in draft.take():
            text, at = operation["text"], operation["at"]
            if at > units(held):
                draft.rewind({"0": units(before)})
                return before
            known = held.encode("utf-16-le")[2 * at :]
            new = text.encode("utf-16-le")
            self.assertTrue(new.startswith(known) or known.startswith(new))
            held = (held.encode("utf-16-le")[: 2 * at] + max(known, new, key=len)).decode(
                "utf-16-le"
            )
        if answered:
            draft.taken()
        else:
            draft.again()
        return held


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
