"""
Tests for L{aerostack.protocol.uimessages}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.protocol.uimessages import makeMessages, readUIRequest


def said(role: str, *parts: Any) -> Any:
    """
    A message.
    """
    return {"id": "m", "role": role, "parts": list(parts)}


def text(content: str) -> Any:
    """
    A part with a text.
    """
    return {"type": "text", "text": content}


def made(*messages: Any) -> Any:
    """
    The messages for a model.
    """
    body = json.dumps({"id": "c", "messages": messages}).encode()
    return json.loads(makeMessages(readUIRequest(body).messages))


class ReadTests(SynchronousTestCase):
    """
    Tests for L{readUIRequest}.
    """

    def test_fields(self) -> None:
        """
        What C{useChat} sends is read, whatever else is in it.
        """
        request = readUIRequest(
            json.dumps(
                {
                    "id": "c1",
                    "messages": [said("user", text("Hello"))],
                    "trigger": "regenerate-message",
                    "messageId": "m2",
                    "more": {"a": 1},
                }
            ).encode()
        )
        self.assertEqual((request.id, request.trigger), ("c1", "regenerate-message"))
        self.assertEqual((request.messageId, request.model), ("m2", None))

    def test_refused(self) -> None:
        """
        Every mistake has its code, and the message names the field.
        """
        deep = b'{"id":"c","messages":[{"id":"m","role":"user","parts":[{"a":'
        for body, code, word in (
            (b"", "invalid_json", "JSON"),
            (b"\xff", "invalid_json", "JSON"),
            (b"[]", "invalid_arguments", "object"),
            (b'{"id":"c"}', "invalid_arguments", "messages"),
            (b'{"id":"c","messages":[]}', "invalid_arguments", "messages"),
            (b'{"id":1,"messages":[]}', "invalid_arguments", "id"),
            (b'{"id":"c","messages":[{"id":"m","role":"user"}]}', "invalid_arguments", "parts"),
            (deep + b"[" * 70 + b"]" * 70 + b"}]}]}", "too_deep", "deep"),
        ):
            error = self.assertRaises(RealtimeError, readUIRequest, body)
            self.assertEqual(error.code, code, body)
            self.assertIn(word, error.message)


class MessageTests(SynchronousTestCase):
    """
    Tests for L{makeMessages}.
    """

    def test_texts(self) -> None:
        """
        Texts become texts; what is for people alone is left out.
        """
        self.assertEqual(
            made(
                said("system", text("Be brief.")),
                said("user", text("Hel"), text("lo")),
                said(
                    "assistant",
                    {"type": "step-start"},
                    {"type": "reasoning", "text": "hm"},
                    text("Hi"),
                    {"type": "source-url", "url": "https://example.com"},
                    {"type": "data-mood", "data": 1},
                ),
                said("user", {"type": "data-mood", "data": 1}),
            ),
            [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "Hi"},
            ],
        )

    def test_images(self) -> None:
        """
        A user's images are sent; other files are refused.
        """
        image = {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AA=="}
        self.assertEqual(
            made(said("user", text("See:"), image))[0]["content"],
            [
                {"type": "text", "text": "See:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            ],
        )
        other = {"type": "file", "mediaType": "text/plain", "url": "data:,a"}
        error = self.assertRaises(RealtimeError, made, said("user", other))
        self.assertIn("images", error.message)

    def test_tools(self) -> None:
        """
        Each step is a message with its calls, followed by their outcomes; a call without an outcome
        is left out.
        """
        call = {
            "type": "tool-weather",
            "toolCallId": "c1",
            "state": "output-available",
            "input": {"city": "Bern"},
            "output": [20],
        }
        failed = {
            "type": "dynamic-tool",
            "toolName": "news",
            "toolCallId": "c2",
            "state": "output-error",
            "errorText": "down",
        }
        open = {"type": "tool-x", "toolCallId": "c3", "state": "input-available", "input": {}}
        step = {"type": "step-start"}
        self.assertEqual(
            made(
                said("assistant", step, text("Let me see."), call, failed, open, step, text("20."))
            ),
            [
                {
                    "role": "assistant",
                    "content": "Let me see.",
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
                        },
                        {
                            "id": "c2",
                            "type": "function",
                            "function": {"name": "news", "arguments": "{}"},
                        },
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "[20]"},
                {"role": "tool", "tool_call_id": "c2", "content": '{"error":"down"}'},
                {"role": "assistant", "content": "20."},
            ],
        )

    def test_unknownParts(self) -> None:
        """
        Parts of kinds that the daemon does not know, or that lack what they need, are left out,
        however many messages there are.
        """
        strange = ({"type": "weird", "text": "x"}, {"type": "text", "text": 5}, {}, {"type": None})
        asked = made(*[said("user", text("a"), *strange)] * 10_000)
        self.assertEqual(asked, [{"role": "user", "content": "a"}] * 10_000)

    def test_refused(self) -> None:
        """
        An unknown role, and messages without anything to read, are refused.
        """
        for messages in (
            [said("tool", text("a"))],
            [said("user")],
            [said("assistant", {"type": "reasoning", "text": "a"})],
        ):
            error = self.assertRaises(RealtimeError, made, *messages)
            self.assertEqual(error.code, "invalid_arguments")
