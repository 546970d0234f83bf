"""
The gateway to the models, for requests without a topic.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import treq
from twisted.web.client import Agent

from aerostack.net.http import eventstream, gateway
from aerostack.protocol.sse import EventReader
from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from aerostack.testing.models import (
    CUT,
    DONE,
    HANG,
    HOLD,
    ModelAnswer,
    chunk,
    words,
)
from tests.live.daemon import ORIGIN
from tests.live.models import GATEWAY, HELLO, ModelTests
from tests.live.wire import Wire

USAGE = {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5}

FULL = ModelAnswer(
    [
        b": hello\n\n",
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "hm"}),
        chunk({"content": "It is "}),
        chunk({"content": "20\u2028° 😀"}),
        chunk(reason="stop", usage=USAGE),
        DONE,
    ]
)

CALL = ModelAnswer(
    [
        chunk({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "weather"}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city"'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ':"Bern"}'}}]}),
        chunk(reason="tool_calls"),
        chunk(usage=USAGE),
        DONE,
    ]
)

BROKEN = ModelAnswer([chunk({"content": "Hal"})], ending=CUT)

FAILED = ModelAnswer([b"secret words of the provider"], 401, {})


class OpenAITests(ModelTests):
    """
    OpenAI's own clients ask through the gateway, unchanged.
    """

    def url(self) -> str:
        """
        What the clients get as the base of all URLs.
        """
        return f"http://127.0.0.1:{self.port}{GATEWAY.removesuffix('/chat/completions')}"

    async def test_javascript(self) -> None:
        """
        The client for JavaScript streams, calls tools, collects, sees every failure, and leaves.
        """
        endless = ModelAnswer([chunk({"content": "a"})], ending=HANG)
        self.model.answers[:] = [FULL, CALL, FULL, FULL, BROKEN, FAILED, endless]
        written = await self.node("openai.js", self.url(), PUBLIC_KEY)
        streamed, called, collected, whole, broken, failed, _ = json.loads(written)
        text = "It is 20\u2028° 😀"
        self.assertEqual(
            streamed,
            {"text": text, "reasoning": "hm", "calls": {}, "reason": "stop", "usage": USAGE},
        )
        self.assertEqual(
            called["calls"],
            {"0": {"id": "call_1", "name": "weather", "arguments": '{"city":"Bern"}'}},
        )
        self.assertEqual((called["reason"], called["usage"]), ("tool_calls", USAGE))
        self.assertEqual(collected["text"], text)
        self.assertEqual((whole["text"], whole["usage"]), (text, USAGE))
        self.assertEqual(whole["object"], "chat.completion")
        self.assertEqual(
            broken,
            {"text": "Hal", "error": True, "message": "The model default broke its answer off."},
        )
        self.assertEqual((failed["error"], failed["status"]), (True, 502))
        self.assertEqual(failed["code"], "model_failed")
        self.assertNotIn("secret", written)
        # The client that has left is no reason to let the model go on.
        await self.until(lambda: not self.model.open)
        self.assertEqual(self.model.asked[1].body["tools"][0]["function"]["name"], "weather")

    async def test_python(self) -> None:
        """
        So does the client for Python.
        """
        self.model.answers[:] = [FULL, CALL, FULL, BROKEN, FAILED]
        written = await self.python("openai_client.py", self.url(), SECRET_KEY)
        streamed, called, whole, broken, failed = json.loads(written)
        text = "It is 20\u2028° 😀"
        self.assertEqual(streamed, {"text": text, "calls": {}, "reason": "stop", "usage": 5})
        self.assertEqual(
            called["calls"], {"0": {"name": "weather", "arguments": '{"city":"Bern"}'}}
        )
        self.assertEqual(whole, {"text": text, "total": 5})
        self.assertEqual(broken, {"message": "The model default broke its answer off."})
        self.assertEqual((failed["status"], failed["code"]), (502, "model_failed"))


class GatewayTests(ModelTests):
    """
    Tests for the gateway's own bounds.
    """

    limits: Mapping[str, Any] = {"bodyBytes": 4096}

    async def post(self, key: str = PUBLIC_KEY, path: str = GATEWAY, **fields: Any) -> Any:
        """
        Send a request.

        @return: The status, the body and the headers.
        """
        body = json.dumps({"messages": HELLO, **fields}).encode()
        return await self.http("POST", path, body, Authorization=f"Bearer {key}")

    async def open(self, **fields: Any) -> Any:
        """
        Begin a stream.

        @return: The response, as soon as it has begun.
        """
        return await treq.post(
            f"http://127.0.0.1:{self.port}{GATEWAY}",
            json.dumps({"messages": HELLO, "stream": True, **fields}).encode(),
            headers={"Authorization": f"Bearer {PUBLIC_KEY}"},
            agent=Agent(self.reactor, pool=self.pool),
            unbuffered=True,
        )

    async def ask(self, **fields: Any) -> Wire:
        """
        Send a request on a connection that the test reads by itself.
        """
        wire = await self.wire()
        body = json.dumps({"messages": HELLO, **fields}).encode()
        head = f"POST {GATEWAY} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {PUBLIC_KEY}\r\n"
        wire.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return wire

    async def assertRefused(self, status: int, code: str, answered: Any) -> str:
        """
        Check that a request was refused in the words of OpenAI's clients.

        @return: The message.
        """
        self.assertEqual((answered[0], answered[1]["error"]["code"]), (status, code))
        message: str = answered[1]["error"]["message"]
        return message

    async def test_refused(self) -> None:
        """
        A request without rights, for another model, or that says nonsense does not reach a model.
        """
        path = GATEWAY.replace("default", "other")
        for status, code, answered in (
            (401, "unauthorized", await self.http("POST", GATEWAY, b"{}")),
            (401, "unauthorized", await self.post("pk_nobody")),
            (404, "unknown_model", await self.post(path=path)),
            (404, "unknown_model", await self.post("pk_of_bare_89abcdef")),
            (404, "unknown_model", await self.post(path=GATEWAY.replace("default", "%2e%2e"))),
            (400, "invalid_arguments", await self.post(n=2)),
            (400, "invalid_arguments", await self.post(messages=[])),
            (413, "too_large", await self.post(pad="x" * 5000)),
            (405, "method_not_allowed", await self.http("GET", GATEWAY)),
        ):
            await self.assertRefused(status, code, answered)
        for path in ("/api/gateway", "/api/gateway/default", f"{GATEWAY}/more"):
            status, body, _ = await self.post(path=path)
            self.assertEqual((status, body["error"]), (404, "not_found"))
        self.assertEqual(self.model.asked, [])

    async def test_noURL(self) -> None:
        """
        A request cannot say where or which model is asked, nor raise a limit.
        """
        await self.post(
            url="http://127.0.0.1:1/",
            base_url="http://127.0.0.1:1/",
            model="dearer",
            api_key="mine",
        )
        (asked,) = self.model.asked
        self.assertEqual(set(asked.body), {"model", "messages", "n", "stream", "stream_options"})
        self.assertEqual((asked.body["model"], asked.body["stream"]), ("large", True))
        self.assertEqual(asked.headers["authorization"], "Bearer sk-upstream")

    async def test_head(self) -> None:
        """
        No proxy may keep a stream or hold it back.
        """
        response = await self.open()
        self.assertEqual(response.code, 200)
        for name, value in (
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache, no-transform"),
            ("x-accel-buffering", "no"),
        ):
            self.assertEqual(response.headers.getRawHeaders(name), [value])
        events = EventReader().feed(await response.content())
        self.assertEqual(events[-1].data, "[DONE]")

    async def test_tokens(self) -> None:
        """
        Each token comes when the model has said it.
        """
        last = [chunk({"content": "b"}), chunk(reason="stop"), DONE]
        self.model.answers[:] = [ModelAnswer([chunk({"content": "a"}), HOLD, *last])]
        response = await self.open()
        reader, events = EventReader(), list[str]()

        def take(data: bytes) -> None:
            events.extend(event.data for event in reader.feed(data))

        done = treq.collect(response, take)
        await self.until(lambda: any('"content":"a"' in event for event in events))
        self.model.release()
        await done
        self.assertTrue(any('"content":"b"' in event for event in events))

    async def test_metrics(self) -> None:
        """
        The metrics count answers, and hold nothing of what was asked.
        """
        self.model.answers[:] = [words("sesame"), FAILED]
        for _ in range(2):
            await self.post(messages=[{"role": "user", "content": "open sesame"}])
        response = await treq.get(
            f"http://127.0.0.1:{self.port}/metrics", agent=Agent(self.reactor, pool=self.pool)
        )
        text = (await response.content()).decode()
        for line in ("answers_running 0", "answers_total 2", "failures_total 1"):
            self.assertIn(f"aerostack_model_{line}", text)
        found = [line for line in text.split("\n") if line.startswith("aerostack_model_requests")]
        counts = {"2xx": 1, "3xx": 0, "429": 0, "4xx": 0, "5xx": 0, "none": 0}
        failed = f"{FAILED.status // 100}xx"
        counts[failed] += 1
        self.assertEqual(
            found,
            [
                f'aerostack_model_requests_total{{status="{status}"}} {float(count)}'
                for status, count in counts.items()
            ],
        )
        for secret in ("sesame", "sk-upstream", "secret words"):
            self.assertNotIn(secret, text)

    async def test_quiet(self) -> None:
        """
        A client that waits long gets comments; an error after that comes in the stream.
        """
        self.assumeOne("changes a time of the process that serves clients")
        self.patch(eventstream, "BEAT", 0.05)
        self.model.answers[:] = [ModelAnswer([HOLD], 401, {})]
        response = await self.open()
        self.assertEqual(response.code, 200)
        content = bytearray()
        done = treq.collect(response, content.extend)
        await self.until(lambda: content.count(b":\n\n") >= 2)
        self.model.release()
        await done
        (event,) = EventReader().feed(bytes(content))
        self.assertEqual(json.loads(event.data)["error"]["code"], "model_failed")

    async def test_slow(self) -> None:
        """
        A client that does not read holds up the model, and fills no memory.
        """
        self.assumeOne("looks into the process that serves clients")
        text = "x" * 50_000
        answer = words(*([text] * 400))
        self.model.answers[:] = [ModelAnswer([p for p in answer.pieces if p != 0.0])]
        wire = await self.ask(stream=True)
        wire.transport.pauseProducing()
        await self.until(lambda: self.model.asked)
        await self.sleep(0.5)
        self.assertLess(self.daemon.listening.lobby.unsent, 4_000_000)
        wire.drop()

    async def test_long(self) -> None:
        """
        An answer that does not end is broken off, and the model is let go.
        """
        self.assumeOne("changes a bound of the process that serves clients")
        self.patch(gateway, "MOST", 100)
        for stream in (True, False):
            self.model.answers[:] = [ModelAnswer([chunk({"content": "x" * 60})] * 2, ending=HANG)]
            response = await self.open(stream=stream)
            content = await treq.content(response)
            if stream:
                *_, last = EventReader().feed(content)
                content = last.data
            self.assertEqual(json.loads(content)["error"]["code"], "too_large")
            await self.until(lambda: not self.model.open)

    async def test_leaves(self) -> None:
        """
        The model is let go if the client leaves before anything has come.
        """
        self.model.answers[:] = [ModelAnswer(ending=HANG)]
        for stream in (True, False):
            wire = await self.ask(stream=stream)
            await self.until(lambda: self.model.open)
            wire.drop()
            await self.until(lambda: not self.model.open)

    async def test_pages(self) -> None:
        """
        A page of the project's origins may ask, with the headers of OpenAI's client.
        """
        status, _, headers = await self.http("OPTIONS", GATEWAY, Origin=ORIGIN)
        self.assertEqual(status, 204)
        self.assertEqual(headers.getRawHeaders("access-control-allow-origin"), [ORIGIN])
        (allowed,) = headers.getRawHeaders("access-control-allow-headers")
        self.assertIn("x-stainless-retry-count", allowed.split(", "))

    async def test_stopping(self) -> None:
        """
        A daemon that stops breaks answers off, and lets the model go.
        """
        self.model.answers[:] = [ModelAnswer([chunk({"content": "a"})], ending=HANG)]
        await self.open()
        await self.stop()
        await self.until(lambda: not self.model.open)
