"""
Shows streams on a terminal, each as a line that grows.
"""

from __future__ import annotations

from aerostack.cli.formats import plain
from aerostack.client.answers import STREAMING, Answer

_MOST_SHOWN = 100
"""How many streams the terminal remembers."""


class GrowingLines:
    """
    The lines of the streams that a terminal shows.

    A line that is broken off by other lines goes on in a line of its own.
    """

    def __init__(self) -> None:
        # The stream whose line is the last on the terminal, and has no end yet.
        self._open: str | None = None
        # What is shown of each stream.
        self._shown: dict[str, str] = {}

    def interrupt(self) -> str:
        """
        Give what ends the line that grows, so that another line can follow.
        """
        wasOpen, self._open = self._open is not None, None
        return "\n" if wasOpen else ""

    def grow(self, topic: str, answer: Answer) -> str:
        """
        Give what to write after a change of a stream.

        @param topic: The topic, as the person wrote it.
        """
        before = self._shown.pop(answer.id, "")
        text = ""
        if not answer.text.startswith(before):
            # The publisher has taken text back.  A terminal cannot, so the text begins again.
            text, before = self.interrupt(), ""
        self._shown[answer.id] = answer.text
        added = answer.text[len(before) :]
        isOver = answer.state != STREAMING
        if added or isOver:
            if self._open != answer.id:
                text += self.interrupt() + plain(f"{topic} {answer.id}: ")
                self._open = answer.id
            text += plain(added.replace("\n", " ⏎ "))
        if isOver:
            text += plain(f" ({answer.state})") + self.interrupt()
            del self._shown[answer.id]
        while len(self._shown) > _MOST_SHOWN:
            del self._shown[next(iter(self._shown))]
        return text
