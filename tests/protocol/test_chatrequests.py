"""
Tests for L{aerostack.protocol.chatrequests}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.protocol.chatrequests import encodeChatRequest, readChatRequest
from aerostack.settings.ai import ModelConfig

HELLO = [{"role": "user", "content": "Hello"}]
MODEL = ModelConfig("http://model.example/", model="large")


def read(**fields: Any) -> Any:
    """
    Read a request with these fields.
    """
    return readChatRequest(json.dumps({"messages": HELLO, **fields}).encode())


def asked(config: ModelConfig = MODEL, **fields: Any) -> Any:
    """
    What the model is asked if a client sends these fields.
    """
    return json.loads(encodeChatRequest(read(**fields), config))


class ReadTests(SynchronousTestCase):
    """
    Tests for L{readChatRequest}.
    """

    def test_fields(self) -> None:
        """
        What the client wants for itself is read, with defaults.
        """
        plain = read()
        self.assertEqual((plain.model, plain.stream, plain.wantsUsage), (None, False, False))
        full = read(model="m", stream=True, stream_options={"include_usage": True}, n=1)
        self.assertEqual((full.model, full.stream, full.wantsUsage), ("m", True, True))
        self.assertEqual(json.loads(full.messages), HELLO)
        self.assertFalse(read(stream=None, stream_options=None).stream)

    def test_refused(self) -> None:
        """
        Every mistake has its code, and the message names the field.
        """
        for body, code, word in (
            (b"", "invalid_json", "JSON"),
            (b"[]", "invalid_arguments", "object"),
            (b'{"messages":[{"a":"\xff"}]}', "invalid_json", "JSON"),
            (b"{}", "invalid_arguments", "messages"),
            (b'{"messages":[]}', "invalid_arguments", "messages"),
            (b'{"messages":{}}', "invalid_arguments", "messages"),
            (b'{"messages":[1]}', "invalid_arguments", "messages"),
            (b'{"messages":[{}],"n":2}', "invalid_arguments", "n is 1"),
            (b'{"messages":[{}],"stream":1}', "invalid_arguments", "stream"),
            (b'{"messages":[{}],"model":1}', "invalid_arguments", "model"),
            (b'{"messages":[{}],"max_tokens":0}', "invalid_arguments", "max_tokens"),
            (b'{"messages":[{}],"max_tokens":"9"}', "invalid_arguments", "max_tokens"),
            (b'{"messages":[{"a":' + b"[" * 70 + b"]" * 70 + b"}]}", "too_deep", "deep"),
            (b'{"a":' + b"[" * 100_000, "invalid_json", "JSON"),
        ):
            error = self.assertRaises(RealtimeError, readChatRequest, body)
            self.assertEqual(error.code, code, body[:50])
            self.assertIn(word, error.message)


class EncodeTests(SynchronousTestCase):
    """
    Tests for L{encodeChatRequest}.
    """

    def test_forced(self) -> None:
        """
        The model, one choice, the stream and the numbers are not the client's to decide.
        """
        body = asked(model="other", n=1, stream=False, stream_options={"include_usage": False})
        self.assertEqual(
            body,
            {
                "model": "large",
                "messages": HELLO,
                "n": 1,
                "stream": True,
                "stream_options": {"include_usage": True},
            },
        )

    def test_passedOn(self) -> None:
        """
        Only the parameters on the list go further, as the client wrote them.
        """
        body = asked(
            temperature=0.25,
            tools=[{"a": 1}],
            url="http://x/",
            user="ann",
            store=True,
            logprobs=True,
        )
        self.assertEqual((body["temperature"], body["tools"]), (0.25, [{"a": 1}]))
        self.assertEqual(set(body) & {"url", "user", "store", "logprobs"}, set())

    def test_defaults(self) -> None:
        """
        The configured parameters hold where the client sends none, or null.
        """
        model = ModelConfig("http://m/", model="m", params={"temperature": 0.5, "stop": ["x"]})
        self.assertEqual(asked(model)["temperature"], 0.5)
        body = asked(model, temperature=1, stop=None)
        self.assertEqual((body["temperature"], body["stop"]), (1, ["x"]))

    def test_limit(self) -> None:
        """
        A client can lower the limit and not raise it, by whichever of its names.
        """
        model = ModelConfig("http://m/", model="m", maxTokens=100)
        for given, expected in (
            ({}, {"max_tokens": 100}),
            ({"max_tokens": 7}, {"max_tokens": 7}),
            ({"max_tokens": 10**30}, {"max_tokens": 100}),
            ({"max_tokens": 500}, {"max_tokens": 100}),
            ({"max_tokens": None}, {"max_tokens": 100}),
            ({"max_completion_tokens": 500}, {"max_completion_tokens": 100}),
            (
                {"max_tokens": 500, "max_completion_tokens": 7},
                {"max_tokens": 100, "max_completion_tokens": 7},
            ),
        ):
            body = asked(model, **given)
            self.assertEqual({k: v for k, v in body.items() if k.startswith("max_")}, expected)
        model = ModelConfig(
            "http://m/", model="m", params={"max_completion_tokens": 9}, maxTokens=5
        )
        for given, expected in (
            ({}, {"max_completion_tokens": 5}),
            ({"max_tokens": 3}, {"max_tokens": 3}),
        ):
            body = asked(model, **given)
            self.assertEqual({k: v for k, v in body.items() if k.startswith("max_")}, expected)
        self.assertEqual(asked(max_tokens=10**6)["max_tokens"], 10**6)
