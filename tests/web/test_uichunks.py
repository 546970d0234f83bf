"""
Tests of the chunks for C{useChat} with the AI SDK itself.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.growth import DATA, REASONING, TEXT, TOOL, Grown, Growth, Valued
from aerostack.protocol import sse
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.uichunks import ABORTED, CANCELLED, DONE, FAILED, ChunkWriter
from tests.web import HERE, run

WEATHER = {"call": "c1", "name": "weather"}

ANSWER: tuple[Growth, ...] = (
    Grown("r0", REASONING, "Let me "),
    Grown("r0", REASONING, "see."),
    Grown("0", TEXT, "It \u2028 is 😀"),
    Valued("c1", TOOL, WEATHER),
    Grown("c1", TOOL, '{"city":'),
    Grown("c1", TOOL, '"Bern"}'),
    Valued("c1", TOOL, {**WEATHER, "input": {"city": "Bern"}}),
    Valued("c2", TOOL, {"call": "c2", "name": "news", "input": {}, "error": "down"}),
    Valued("c3", TOOL, {"call": "c3", "name": "news", "error": "bad"}),
    Valued("s1", DATA, {"name": "source-url", "value": {"url": "https://example.com"}}),
    Valued("s2", DATA, {"name": "source-document", "value": {"mediaType": "a/b", "title": "t"}}),
    Valued("s3", DATA, {"name": "file", "value": {"mediaType": "a/b", "url": "u"}}),
    Valued("s4", DATA, {"name": "mood", "value": "low"}),
    Valued("s4", DATA, {"name": "mood", "value": "good"}),
    Valued("c1", TOOL, {**WEATHER, "input": {"city": "Bern"}, "output": [20]}),
    Grown("0", TEXT, "!"),
)


def write(growths: tuple[Growth, ...], state: str, reason: str | None = None) -> bytes:
    """
    The bytes of a whole stream.
    """
    writer = ChunkWriter("m1")
    chunks = [
        *writer.begin(),
        *(chunk for growth in growths for chunk in writer.write(growth)),
        *writer.end(state, reason),
    ]
    events = [sse.writeEvent(encodeValue(chunk)) for chunk in chunks]
    return b"".join([sse.COMMENT, *events, sse.writeEvent(sse.DONE.encode())])


class UIChunkTests(SynchronousTestCase):
    """
    The AI SDK reads what L{ChunkWriter} writes.
    """

    def test_read(self) -> None:
        """
        The SDK takes every chunk, and makes the same message of a running answer and of what a late
        client gets; each end is the one that it should be.
        """
        late = (
            Grown("r0", REASONING, "Let me see."),
            Grown("0", TEXT, "It \u2028 is 😀!"),
            Grown("c1", TOOL, '{"city":"Bern"}'),
            Valued("c1", TOOL, {**WEATHER, "input": {"city": "Bern"}, "output": [20]}),
            *ANSWER[7:12],
            ANSWER[13],
        )
        streams = [
            write(ANSWER, DONE),
            write(late, DONE),
            write((), CANCELLED),
            write(ANSWER[:5], ABORTED, "lease"),
            write(ANSWER[:3], FAILED, "No luck."),
        ]
        lines = "".join(f"{b64encode(stream).decode()}\n" for stream in streams)
        written = run("node", "apps/uichunks.js", folder=HERE, input=lines)
        whole, joined, cancelled, aborted, failed = map(json.loads, written.strip().split("\n"))
        self.assertEqual(whole, joined)
        self.assertEqual((whole["errors"], whole["message"]["id"]), ([], "m1"))
        self.assertEqual(
            [(part["type"], _content(part)) for part in whole["message"]["parts"]],
            [
                ("step-start", None),
                ("reasoning", "Let me see."),
                ("text", "It \u2028 is 😀!"),
                ("tool-weather", [20]),
                ("tool-news", "down"),
                ("tool-news", "bad"),
                ("source-url", "https://example.com"),
                ("source-document", "t"),
                ("file", "u"),
                ("data-mood", "good"),
            ],
        )
        self.assertEqual(cancelled["errors"], [])
        self.assertEqual(aborted["errors"], ["The answer was broken off (lease)."])
        (tool,) = (p for p in aborted["message"]["parts"] if p["type"] == "tool-weather")
        self.assertEqual(tool["state"], "input-streaming")
        self.assertEqual(failed["errors"], ["No luck."])


def _content(part: dict[str, Any]) -> Any:
    """What a part has to say."""
    for key in ("text", "output", "errorText", "url", "title", "data"):
        if part.get(key) is not None:
            return part[key]
    return None
