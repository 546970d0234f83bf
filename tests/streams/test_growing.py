"""
Tests for L{aerostack.streams.growing}, by the frames of producers.
"""

from __future__ import annotations

from aerostack.core.answers.answers import Budget
from tests.streams.watching import StreamCase


class AppendTests(StreamCase):
    """
    Tests for text that grows.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start()

    def test_acknowledged(self) -> None:
        """
        A frame with an id gets the length of the text; one without gets no answer.
        """
        self.append("a")
        self.assertEqual(self.producer.take(), [])
        self.append("😀", id=7)
        answer = self.answer()
        self.assertEqual((answer["id"], answer["length"]), (7, {"0": 3}))

    def test_repeated(self) -> None:
        """
        The same text for the same place is acknowledged again, and folded once.
        """
        for _ in range(2):
            self.append("abc", at=0, id=1)
            self.assertEqual(self.answer()["length"], {"0": 3})
        self.world.advance(0.1)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "abc")

    def test_mismatch(self) -> None:
        """
        Other text for the same place is refused.
        """
        self.append("abc")
        self.assertEqual(self.refused("abX", at=0)["code"], "stream_mismatch")
        self.assertEqual(self.refused("x", part="0", kind="reasoning")["code"], "stream_mismatch")

    def test_gap(self) -> None:
        """
        Text behind a gap is refused with the length, however much comes behind it; none is taken
        out of order.
        """
        self.append("abc")
        for at in (5, 7, 9):
            error = self.refused("de", at=at)
            self.assertEqual((error["code"], error["length"]), ("stream_gap", {"0": 3}))
        self.append("d", at=3, id=1)
        self.assertEqual(self.answer()["length"], {"0": 4})

    def test_unknown(self) -> None:
        """
        Text of a stream that does not run is refused.
        """
        error = self.refused("abc", stream="other")
        self.assertEqual((error["code"], error["stream"]), ("stream_unknown", "other"))

    def test_otherParts(self) -> None:
        """
        Reasoning and the arguments of tools are no tokens.
        """
        self.append("hm", part="r0", kind="reasoning")
        self.append('{"ci', part="c1", kind="tool")
        self.append("Hello")
        self.world.advance(0.02)
        frames = self.early.take()
        self.assertEqual(
            [(f["event"], f["data"]) for f in frames[1:]],
            [
                ("ai:reasoning", {"token": "hm"}),
                ("ai:tool", {"call": "c1", "args": '{"ci'}),
                ("ai:token", {"token": "Hello"}),
            ],
        )
        self.assertEqual(self.early.plain, {"a1": "Hello"})

    def test_values(self) -> None:
        """
        A value is sent at once, behind the text before it.  What is known of a tool's call grows;
        the same again is sent to nobody.
        """
        self.append("a")
        self.append("b")
        for value in ({"name": "w", "input": {"x": 1.50}}, {"output": [1]}, {"output": [1]}):
            self.producer.send(
                type="stream_put", stream="a1", epoch=1, part="c1", kind="tool", value=value
            )
        frames = self.early.take()[2:]
        self.assertEqual(
            [f["data"] for f in frames],
            [
                {"token": "b"},
                {"call": "c1", "name": "w", "input": {"x": 1.5}},
                {"call": "c1", "name": "w", "input": {"x": 1.5}, "output": [1]},
            ],
        )

    def test_tooLarge(self) -> None:
        """
        A stream that becomes too large ends as aborted, and the history keeps what it has.
        """
        self.world.backbone.sequencer.answers.budget = Budget(text=10_000)
        self.append("a" * 6000)
        error = self.refused("b" * 6000)
        self.assertEqual((error["code"], error["state"]), ("stream_ended", "aborted"))
        self.assertEqual(error["message"], "The stream a1 has ended: aborted (limit).")
        self.early.take()
        self.assertEqual(self.early.ends["a1"]["reason"], "limit")
        self.assertEqual(len(self.world.history.messages), 1)

    def test_rate(self) -> None:
        """
        Text is counted by its bytes, and not by its frames.
        """
        for _ in range(3000):
            self.append("a")
        self.assertEqual(self.producer.take(), [])
        self.world.advance(0.1)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "a" * 3000)

    def test_halfCharacter(self) -> None:
        """
        Half of a surrogate pair is refused.
        """
        self.producer.sendRaw(
            b'{"type":"stream_append","stream":"a1","epoch":1,"part":"0","at":0,"text":"\\ud83d"}'
        )
        self.assertEqual(self.answer()["code"], "invalid_json")
