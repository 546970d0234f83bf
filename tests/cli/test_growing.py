"""
Tests for L{aerostack.cli.growing}.
"""

from __future__ import annotations

from twisted.internet.defer import succeed
from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli.growing import GrowingLines
from aerostack.client.answers import Answer


def answer(text: str, state: str = "streaming", id: str = "s") -> Answer:
    return Answer(id, text, [], state, {}, lambda stream: succeed(None))


class GrowingLinesTests(SynchronousTestCase):
    """
    Tests for L{GrowingLines}.
    """

    def setUp(self) -> None:
        self.lines = GrowingLines()

    def grow(self, *answers: Answer) -> str:
        """
        What a terminal shows after some changes.
        """
        return "".join(self.lines.grow("ai/7", each) for each in answers)

    def test_grows(self) -> None:
        """
        A stream is one line, which ends with the state of the stream.
        """
        shown = self.grow(answer(""), answer("Hel"), answer("Hello"), answer("Hello", "done"))
        self.assertEqual(shown, "ai/7 s: Hello (done)\n")

    def test_interrupted(self) -> None:
        """
        After other lines it goes on in a new line, with new text only.
        """
        shown = self.grow(answer("Hel")) + self.lines.interrupt() + "other\n"
        shown += self.grow(answer("Hello"), answer("x", id="t"), answer("Hello!"))
        self.assertEqual(shown, "ai/7 s: Hel\nother\nai/7 s: lo\nai/7 t: x\nai/7 s: !")
        self.assertEqual(self.lines.interrupt(), "\n")
        self.assertEqual(self.lines.interrupt(), "")

    def test_back(self) -> None:
        """
        Text that was taken back is shown again from the beginning.
        """
        shown = self.grow(answer("Hello"), answer("Hey"))
        self.assertEqual(shown, "ai/7 s: Hello\nai/7 s: Hey")

    def test_control(self) -> None:
        """
        Text cannot control the terminal, and its lines stay in the line.
        """
        self.assertEqual(self.grow(answer("a\nb\x1b[0m")), "ai/7 s: a ⏎ b\\u001b[0m")

    def test_bounded(self) -> None:
        """
        Of very many streams the oldest are forgotten, and begin again.
        """
        for n in range(101):
            self.grow(answer("a", id=f"s{n}"))
        self.assertEqual(self.grow(answer("ab", id="s100")), "b")
        self.assertEqual(self.grow(answer("ab", id="s0")), "\nai/7 s0: ab")
