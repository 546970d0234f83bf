"""
Token streams over HTTP, and models whose answers are streams of a topic.
"""

from __future__ import annotations

import json
from typing import Any

import jwt
from twisted.internet.defer import Deferred

from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET
from aerostack.testing.models import CUT, DONE, HANG, HOLD, ModelAnswer, chunk, words
from tests.live.models import HELLO
from tests.live.streamreaders import STREAMS, TOPIC, Reader, StreamReaderTests

SLOW = words("one ", "two ", "three", pause=0.2)


class StreamFaceTests(StreamReaderTests):
    """
    Tests with a watcher on the WebSocket beside.
    """

    async def test_gateway(self) -> None:
        """
        The answer goes to the one who asked and to all subscribers, and is kept.
        """
        wire = await self.subscribed(TOPIC)
        self.model.answers[:] = [SLOW]
        response = await self.ask()
        (stream,) = response.headers.getRawHeaders("x-aerostack-stream")
        reader = Reader(response)
        text, end = await self.heard(wire)
        self.assertEqual((text, end["id"], end["state"]), ("one two three", stream, "done"))
        self.assertEqual(end["usage"], {"prompt_tokens": 1, "completion_tokens": 3})
        await reader.done
        self.assertEqual(reader.events[-1].data, "[DONE]")
        chunks = [c["choices"][0]["delta"] for c in reader.values if c["choices"]]
        self.assertEqual("".join(d.get("content") or "" for d in chunks), "one two three")
        self.assertEqual(reader.values[-1]["usage"]["completion_tokens"], 3)
        _, page, _ = await self.http(
            "GET", f"/api/v1/public/realtime/history?room={TOPIC}", X_Aerostack_Key=PUBLIC_KEY
        )
        (message,) = page["messages"]
        self.assertEqual((message["event"], message["data"]["text"]), ("ai:done", "one two three"))
        self.assertEqual((message["stream"], message["state"]), (stream, "done"))
        # What a client publishes as an end says nothing of a stream.
        wire.tell(
            {
                **{"type": "publish", "topic": TOPIC, "event": "ai:done", "persist": True},
                **{"data": {"id": stream, "stream": stream, "state": "done"}, "id": "p"},
            }
        )
        while (await wire.frame())["type"] != "ack":
            pass
        _, page, _ = await self.http(
            "GET", f"/api/v1/public/realtime/history?room={TOPIC}", X_Aerostack_Key=PUBLIC_KEY
        )
        self.assertEqual(page["messages"][0].keys() & {"stream", "state"}, set())
        self.assertEqual(page["messages"][1], message)

    async def test_wholeAnswer(self) -> None:
        """
        One who asked for no stream gets the whole answer, and subscribers get it as it comes.
        """
        wire = await self.subscribed(TOPIC)
        response = await self.ask(stream=False)
        text, _ = await self.heard(wire)
        body = json.loads(await response.content())
        self.assertEqual(text, body["choices"][0]["message"]["content"])
        self.assertTrue(response.headers.hasHeader("x-aerostack-stream"))

    async def test_leaves(self) -> None:
        """
        Subscribers get the whole answer although the one who asked has gone.
        """
        wire = await self.subscribed(TOPIC)
        self.model.answers[:] = [SLOW]
        reader = Reader(await self.ask())
        await self.until(lambda: reader.events)
        reader.drop()
        text, end = await self.heard(wire)
        self.assertEqual((text, end["state"]), ("one two three", "done"))

    async def test_cancel(self) -> None:
        """
        A cancel lets the model go at once, and the one who asked learns that the answer is not
        whole.
        """
        begun = ModelAnswer([chunk({"content": "one "})], ending=HANG)
        self.model.answers[:] = [begun, begun]
        for stream in (True, False):
            wire = await self.subscribed(TOPIC)
            wire.tell({"type": "subscribe", "topic": TOPIC})
            asking = self.ask(stream)
            reader = Reader(await asking) if stream else None
            waiting = None if stream else Deferred.fromCoroutine(asking)
            while True:
                frame = await wire.frame()
                if frame.get("event") == "ai:token":
                    break
            status, ended = await self.rpc("ai.cancel", frame["stream"])
            self.assertEqual((status, ended["state"]), (200, "cancelled"))
            await self.until(lambda: not self.model.open)
            if reader is not None:
                await reader.done
                self.assertEqual(reader.values[-1]["error"]["code"], "model_failed")
                self.assertNotIn("[DONE]", [event.data for event in reader.events])
            else:
                assert waiting is not None
                response = await waiting
                self.assertEqual(response.code, 502)
            wire.drop()

    async def test_brokenOff(self) -> None:
        """
        If the model breaks off, the stream is aborted, and the text until then is kept.
        """
        wire = await self.subscribed(TOPIC)
        self.model.answers[:] = [ModelAnswer([chunk({"content": "Hal"})], ending=CUT)]
        reader = Reader(await self.ask())
        text, end = await self.heard(wire)
        self.assertEqual((text, end["state"], end["reason"]), ("Hal", "aborted", "upstream"))
        await reader.done
        self.assertEqual(reader.values[-1]["error"]["code"], "model_failed")
        _, found = await self.rpc("ai.get", end["id"])
        self.assertEqual((found["text"], found["state"]), ("Hal", "aborted"))

    async def test_relay(self) -> None:
        """
        A server has a model answer on a topic, for a user who may stop it.
        """
        wire = await self.subscribed(TOPIC)
        request = {"messages": HELLO, "temperature": 0.5}
        status, started = await self.rpc(
            "ai.relay", TOPIC, request, {"model": "default", "owner": "ann", "meta": {"n": 1}}
        )
        self.assertEqual((status, started["topic"]), (200, f"{TOPIC}/p"))
        frame = await wire.frame()
        self.assertEqual(frame["event"], "ai:start")
        self.assertEqual((frame["data"]["owner"], frame["data"]["meta"]), ("ann", {"n": 1}))
        text, end = await self.heard(wire)
        self.assertEqual((text, end["id"]), ("Hello world", started["stream"]))
        self.assertEqual(self.model.asked[0].body["temperature"], 0.5)
        for status, code, args in (
            (404, "unknown_model", (TOPIC, request, {"model": "other"})),
            (400, "invalid_arguments", (TOPIC, {"messages": []})),
            (400, "invalid_arguments", (TOPIC, request, {"lease": 1})),
            (400, "invalid_arguments", (TOPIC,)),
            (400, "invalid_arguments", ("orders", request)),
        ):
            answered, body = await self.rpc("ai.relay", *args)
            self.assertEqual((answered, body["error"]), (status, code), args)
        self.assertEqual(len(self.model.asked), 1)

    async def test_relayAgain(self) -> None:
        """
        A call that is repeated with its id asks the model once, and says how far the stream is.
        """
        self.model.answers[:] = [ModelAnswer([chunk({"content": "a😀"})], ending=HANG)]
        args = (TOPIC, {"messages": HELLO}, {"stream": "a1"})
        status, first = await self.rpc("ai.relay", *args)
        self.assertEqual((status, first["stream"]), (200, "a1"))
        again = first
        while not again["length"]:
            status, again = await self.rpc("ai.relay", *args)
            self.assertEqual(status, 200)
        self.assertEqual(again, {**first, "length": {"0": 3}})
        status, other = await self.rpc("ai.relay", "ai-chat/8", *args[1:])
        self.assertEqual((status, other["error"]), (409, "stream_mismatch"))
        self.assertEqual(len(self.model.asked), 1)
        await self.rpc("ai.cancel", "a1")

    async def test_events(self) -> None:
        """
        A stream is read as events from its beginning; one who comes back with the last id gets the
        rest, and nothing twice.
        """
        said = ["".join(f"{n} " for n in range(first, first + 10)) for first in (0, 10, 20)]
        pieces: list[Any] = []
        for part in said:
            pieces += [chunk({"content": part}), HOLD]
        self.model.answers[:] = [ModelAnswer([*pieces, chunk(reason="stop"), DONE])]
        _, started = await self.rpc("ai.relay", TOPIC, {"messages": HELLO})
        stream = started["stream"]
        whole = await self.events(stream)
        place = ""
        for part in said:
            reader = await self.events(stream, Last_Event_ID=place)
            await self.until(lambda r=reader, p=part: r.text == p)
            self.assertEqual(reader.events[0].event == "ai:start", not place)
            reader.drop()
            place = reader.place
            self.model.release()
        await whole.done
        expected = "".join(said)
        self.assertEqual(whole.text, expected)
        # One who has all of it comes back for the end.
        reader = await self.events(stream, Last_Event_ID=place)
        await reader.done
        self.assertEqual([event.event for event in reader.events], ["ai:done"])
        self.assertEqual([e.event for e in whole.events][:1], ["ai:start"])
        self.assertEqual(whole.events[-1].event, "ai:done")
        self.assertEqual(json.loads(whole.events[-1].data)["state"], "done")
        # It is there for a while after its end.
        late = await self.events(stream)
        await late.done
        self.assertEqual((late.text, late.events[-1].event), (expected, "ai:done"))

    async def test_takenBack(self) -> None:
        """
        When text is taken back, readers get the beginning again in their own form.  A completion
        cannot say that, and breaks off; one who wanted it whole has the right text.
        """
        self.model.answers[:] = [ModelAnswer([chunk({"content": "Hello wrold"}), HOLD, DONE])] * 2
        wire = await self.subscribed(TOPIC)
        streamed = Reader(await self.ask())
        collecting = Deferred.fromCoroutine(self.ask(stream=False))
        streams: set[str] = set()
        while len(streams) < 2:
            frame = await wire.frame()
            if frame["event"] == "ai:token":
                streams.add(frame["stream"])
        stream = streamed.response.headers.getRawHeaders("x-aerostack-stream")[0]
        plain = await self.events(stream)
        path = f"{STREAMS}/{stream}?as=ui"
        chat = Reader(await self.open("GET", path, Accept="text/event-stream"))
        await self.until(lambda: plain.text == "Hello wrold" and len(chat.values) == 4)
        for each in streams:
            await self.rpc("ai.start", TOPIC, {"stream": each, "takeover": True})
            back = {"part": "0", "kind": "text", "at": 7, "text": "orld", "edition": 1}
            status, body = await self.rpc("ai.append", each, 2, [back])
            self.assertEqual((status, body["length"]), (200, {"0": 11}))

        def deltas() -> str:
            return "".join(value.get("delta", "") for value in chat.values)

        # The text may come in several pieces.
        both = "Hello wroldHello world"
        await self.until(lambda: plain.text == both and deltas() == both)
        events = [event.event for event in plain.events[2:]]
        self.assertEqual(list(dict.fromkeys(events)), ["ai:start", "ai:token"])
        types = [value["type"] for value in chat.values[4:]]
        self.assertEqual(list(dict.fromkeys(types)), ["reset-step", "text-start", "text-delta"])
        await streamed.done
        self.assertIn("taken back", streamed.values[-1]["error"]["message"])
        for each in streams:
            await self.rpc("ai.end", each, 2)
        whole = json.loads(await (await collecting).content())
        self.assertEqual(whole["choices"][0]["message"]["content"], "Hello world")
        await plain.done
        await chat.done

    async def test_read(self) -> None:
        """
        A stream is read as JSON while it runs, and after its end; C{as=ui} gives the AI SDK's
        chunks.
        """
        self.model.answers[:] = [ModelAnswer([chunk({"content": "one"})], ending=HANG)]
        _, started = await self.rpc("ai.relay", TOPIC, {"messages": HELLO})
        path = f"{STREAMS}/{started['stream']}"

        async def read() -> Any:
            _, body, _ = await self.http("GET", path, X_Aerostack_Key=PUBLIC_KEY)
            return body

        while not (await read())["text"]:
            await self.sleep(0.01)
        found = await read()
        self.assertEqual((found["state"], found["text"]), ("streaming", "one"))
        ui = Reader(await self.open("GET", f"{path}?as=ui", Accept="text/event-stream"))
        await self.until(lambda: len(ui.events) >= 4)
        await self.rpc("ai.cancel", started["stream"])
        await ui.done
        self.assertEqual(
            [value["type"] for value in ui.values],
            ["start", "start-step", "text-start", "text-delta", "text-end", "abort"],
        )
        self.assertEqual(ui.response.headers.getRawHeaders("x-vercel-ai-ui-message-stream"), ["v1"])
        self.assertEqual((await read())["state"], "cancelled")

    async def test_refused(self) -> None:
        """
        A stream is for those who may subscribe to its topic.
        """
        self.model.answers[:] = [ModelAnswer(ending=HANG)]
        _, started = await self.rpc("ai.relay", TOPIC, {"messages": HELLO})
        path = f"{STREAMS}/{started['stream']}"
        token = jwt.encode(
            {"sub": "bob", "projectId": "p", "topics": {"subscribe": ["chat/*"]}},
            TOKEN_SECRET,
            "HS256",
        )
        for accept in ("application/json", "text/event-stream"):
            for status, code, answered in (
                (401, "unauthorized", await self.http("GET", path, Accept=accept)),
                (
                    403,
                    "forbidden",
                    await self.http("GET", path, Accept=accept, Authorization=f"Bearer {token}"),
                ),
                (
                    404,
                    "stream_unknown",
                    await self.http(
                        "GET", path, Accept=accept, X_Aerostack_Key="pk_of_bare_89abcdef"
                    ),
                ),
                (
                    404,
                    "stream_unknown",
                    await self.http(
                        "GET", f"{STREAMS}/other", Accept=accept, X_Aerostack_Key=PUBLIC_KEY
                    ),
                ),
                (
                    400,
                    "invalid_arguments",
                    await self.http(
                        "GET", f"{path}?as=x", Accept=accept, X_Aerostack_Key=PUBLIC_KEY
                    ),
                ),
            ):
                self.assertEqual((answered[0], answered[1]["error"]), (status, code))

    async def test_chatRefused(self) -> None:
        """
        A user who may not publish in a chat cannot ask there, and only the owner of an answer can
        stop it; the one who is refused learns it.
        """

        def token(**claims: Any) -> str:
            return jwt.encode({"projectId": "p", **claims}, TOKEN_SECRET, "HS256")

        message = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}
        body = {"id": "c1", "messages": [message]}
        reader = token(sub="bob", topics={"subscribe": ["ai-chat/*"]})
        response = await self.open("POST", "/api/ai/chat", body, reader)
        self.assertEqual(response.code, 403)
        self.model.answers[:] = [ModelAnswer([chunk({"content": "one"})], ending=HANG)]
        asked = Reader(await self.open("POST", "/api/ai/chat", body, token(sub="ann")))
        await self.until(lambda: len(asked.events) >= 4)
        for key in (reader, token(sub="bob"), PUBLIC_KEY):
            response = await self.open("POST", "/api/ai/chat/c1/stop", None, key)
            self.assertEqual(response.code, 403)
        for other in ({"stream": "another"}, {"messageId": "another"}):
            response = await self.open("POST", "/api/ai/chat/c1/stop", other, token(sub="ann"))
            self.assertEqual(response.code, 204)
        self.assertEqual(self.model.open, 1)
        response = await self.open("POST", "/api/ai/chat/c1/stop", [], token(sub="ann"))
        self.assertEqual(response.code, 400)
        response = await self.open("POST", "/api/ai/chat/c1/stop", None, token(sub="ann"))
        self.assertEqual(response.code, 200)
        await asked.done
        self.assertEqual(asked.values[-1]["type"], "abort")
        await self.until(lambda: not self.model.open)
        for path in ("/api/ai/chat/c1", "/api/ai/chat/c1/more", "/api/ai/chat/"):
            response = await self.open("GET", path, None, SECRET_KEY)
            self.assertEqual(response.code, 404)
