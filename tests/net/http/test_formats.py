"""
Tests for L{aerostack.net.http.formats}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.answers.cursor import Cursor
from aerostack.net.http.formats import PlainFormat
from aerostack.protocol.sse import EventReader, ServerSentEvent
from aerostack.streams.following import Past

TEXTS = {"r0": "wé think", "0": "a😀b", "1": "cd"}
KINDS = {"r0": "reasoning", "0": "text", "1": "text"}


def past(place: str, most: int) -> list[ServerSentEvent]:
    """
    The events of the stream after its end, for one who has it up to a place.
    """
    parts = [{"part": name, "kind": KINDS[name], "text": text} for name, text in TEXTS.items()]
    watch = Past("a1", {"state": "done", "parts": parts}, place)
    events = b""
    while growths := watch.take(most):
        events += PlainFormat().write(growths, watch.place)
    return EventReader().feed(events)


def running(place: str, most: int) -> list[ServerSentEvent]:
    """
    The events of the stream while it runs, for one who has it up to a place.
    """
    answer = Answer("a1", "m1", "ai-chat/7/p", Terms(), 0)
    for name, text in TEXTS.items():
        answer.show(name, KINDS[name], 0, text)
    cursor = Cursor(answer, place)
    events = b""
    while growths := cursor.take(most):
        events += PlainFormat().write(growths, cursor.place)
    return EventReader().feed(events)


class PlainFormatTests(SynchronousTestCase):
    """
    Tests for L{PlainFormat}.
    """

    def test_cut(self) -> None:
        """
        A client whose connection breaks behind any event comes back with the last id that it has,
        and gets what is missing, and nothing again.
        """
        for read in (past, running):
            for most in (1, 1000):
                whole = read("", most)
                for count in range(1, len(whole) + 1):
                    place = [event.id for event in whole[:count] if event.id][-1]
                    found: dict[str, Any] = dict.fromkeys(TEXTS, "")
                    for event in whole[:count] + read(place, most):
                        data = json.loads(event.data)
                        found[data["part"]] += data["token"]
                    self.assertEqual(found, TEXTS)
