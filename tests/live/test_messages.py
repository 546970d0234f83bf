"""
Malformed messages, while another client behaves well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from aerostack.errors import (
    CLOSE_TOKEN,
)
from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.testing import TOKEN_SECRET, makeProject
from tests.live.hostile import (
    INVALID_PAYLOAD,
    OPENING,
    TOO_BIG,
    HostileTests,
    compact,
    encoded,
    examples,
    publish,
)
from tests.live.wire import Frame, Refused, maskedFrame


class BadMessageTests(HostileTests):
    """
    Tests for whole messages that are malformed.
    """

    async def assertErrors(self, code: str, payloads: Iterable[bytes]) -> None:
        """
        Check that the daemon answers each message with one error only.
        """
        client = await self.client("mallory")
        for payload in payloads:
            client.text(payload)
            answer = await client.frame()
            self.assertEqual((answer["type"], answer.get("code")), ("error", code), payload[:80])
            self.assertTrue(answer["message"].endswith((".", "?")), answer)
        self.assertEqual(await client.barrier(), [])

    async def test_notJSON(self) -> None:
        """
        Text that is not JSON is answered with C{invalid_json}.
        """
        await self.assertErrors(
            "invalid_json",
            [
                b"",
                b" ",
                b"hello",
                b"{",
                b'{"type":"ping"',
                b'{"type":"ping"}{"type":"ping"}',
                b'{"type":"ping"}\x00',
                b"\xef\xbb\xbf" + b'{"type":"ping"}',
                b"{'type':'ping'}",
                b'{"type":"ping",}',
                b'{"type":"ping","a":"\x00"}',
                b'{"type":"ping","a":"\n"}',
                b'{"type":"ping","a":NaN}',
                publish(b"Infinity"),
                publish(b"01"),
                publish(b'"\\ud800"'),
                publish(b'"\\udc00\\ud800"'),
                publish(b'{"a" 1}'),
                b'{"type":"subscribe","topic":"\\ud800/a"}',
            ],
        )

    async def test_notAFrame(self) -> None:
        """
        JSON that is not a frame is answered with C{invalid_frame} or C{unknown_type}.
        """
        await self.assertErrors("invalid_frame", [b"[]", b"null", b"5", b'"ping"', b"true", b"1e3"])
        await self.assertErrors(
            "unknown_type",
            [
                b"{}",
                b'{"type":"nope"}',
                b'{"type":"PING"}',
                b'{"type":5}',
                b'{"type":null}',
                b'{"type":["ping"]}',
                b'{"type":"subscribed","topic":"odd/a"}',
                b'{"type":"ping","type":"nope"}',
                b'{"event":"e","topic":"odd/a"}',
                compact({"type": "x" * 100_000}),
            ],
        )

    async def test_wrongFields(self) -> None:
        """
        A missing field, or one of the wrong type, is answered with C{invalid_frame}.
        """
        topic = {"topic": "odd/a"}
        published: Frame = {"type": "publish", **topic, "event": "e", "data": 1}
        wrong: list[Frame] = [
            *({"type": kind} for kind in ("subscribe", "unsubscribe", "publish", "track")),
            *({"type": kind} for kind in ("untrack", "chat", "auth")),
            *({"type": "subscribe", "topic": bad} for bad in (None, 5, ["odd/a"], {})),
            *({"type": "subscribe", "topic": "beats", "filter": f} for f in ([], "x", 5, True)),
            {"type": "subscribe", **topic, "filter": {"n": 1}},
            {"type": "publish", **topic, "data": 1},
            *({**published, "event": bad} for bad in (None, 5, [], {})),
            *({**published, "id": bad} for bad in (1.5, True, [], {})),
            *({**published, "persist": bad} for bad in ("yes", 1, [])),
            {"type": "track", **topic},
            *({"type": "track", **topic, "state": bad} for bad in (None, 5, [], "x")),
            *({"type": "chat", "roomId": bad, "text": "hi"} for bad in (None, 5, [])),
            *({"type": "chat", "roomId": "a", "text": bad} for bad in (None, 5, {})),
            *({"type": "chat", "roomId": "a", "text": "t", "metadata": m} for m in ([], "x", 5)),
            *({"type": "auth", "token": bad} for bad in (None, 5, [])),
        ]
        wrong += [
            *({"type": "subscribe", "topic": "beats", "event": e} for e in (5, {}, [None], [[]])),
            *({"type": "subscribe", "topic": "beats", "columns": c} for c in ("n", 5, {}, [None])),
        ]
        await self.assertErrors("invalid_frame", map(compact, wrong))
        infinite = b'{"type":"subscribe","topic":"beats","filter":{"n":1e999}}'
        await self.assertErrors("invalid_frame", [infinite])

    async def test_wrongFilters(self) -> None:
        """
        A filter, columns or an event that do not fit the table are answered with
        C{invalid_filter}.
        """
        deep: Any = 1
        for _ in range(40):
            deep = {"eq": deep}
        long = "%" * 10_000
        wrong: list[Frame] = [
            *({"filter": {"n": value}} for value in ([], {}, {"a": 1}, [1], "one", deep)),
            *({"filter": {"n": {op: {}}}} for op in ("eq", "gt", "in", "is_null", "like")),
            *({"filter": {"n": {"in": many}}} for many in ([None], ["x"], list(range(1000)))),
            *({"filter": {name: 1}} for name in ("", "N ", "rowid", "n; --", "\x00", "x" * 1000)),
            *({"filter": {"n": {"like": pattern}}} for pattern in (long, "\\", 5)),
            {"filter": {f"n{i}": 1 for i in range(1000)}},
            *({"columns": names} for names in ([], [""], ["*"], ["n", "m"])),
            *({"event": event} for event in ("", [], "insert", ["INSERT", ""])),
        ]
        await self.assertErrors(
            "invalid_filter",
            [compact({"type": "subscribe", "topic": "beats", **fields}) for fields in wrong],
        )

    async def test_topics(self) -> None:
        """
        A malformed topic is answered with C{invalid_topic}, whatever the frame.  A topic of a
        missing or internal table gets its own error.
        """
        malformed = [
            *("", "/", "//", "a/", "/a", "a//b", "../a", "a/..", "a/../b", "./a", "a/."),
            *("a/\x00", "a/\n", "a/\x7f", "a/\x85", "a/\u2028", "a/\u202e", "a/\ufeff"),
            *("a/'x", 'a/"x', "a/`x", "a/\\x", "a/<b>", "a/*", "*/a", "a/#", "a/?x", "a/;"),
            *("a/x'; DROP TABLE beats; --", "a/ b", "a /b", "a/b ", "\ue000/a"),
            *("a/" + "x" * 300, "a/" * 200, "a/" + "x" * 100_000, "table/", "table/a/b", "table//"),
            *("beats\x00", "be\nats"),
        ]
        asked = [{"type": "subscribe", "topic": topic} for topic in malformed]
        asked += [
            {"type": "unsubscribe", "topic": "a//b"},
            {"type": "publish", "topic": "a//b", "event": "e", "data": 1},
            {"type": "track", "topic": "a//b", "state": {}},
            {"type": "untrack", "topic": "a//b"},
            {"type": "chat", "roomId": "", "text": "hi"},
            {"type": "chat", "roomId": "../beats", "text": "hi"},
        ]
        await self.assertErrors("invalid_topic", map(compact, asked))
        tables = ["nothing", "beats'; DROP TABLE beats; --", "table/..", 'be"ats', "beats--", "*"]
        asked = [{"type": "subscribe", "topic": topic} for topic in tables]
        await self.assertErrors("unknown_table", map(compact, asked))
        own = ["sqlite_master", "_aerostack_changes", "realtime_messages", "table/SQLITE_SCHEMA"]
        asked = [{"type": "subscribe", "topic": topic} for topic in own]
        await self.assertErrors("table_not_allowed", map(compact, asked))
        asked = [{"type": "publish", "topic": "beats", "event": "e", "data": 1}]
        await self.assertErrors("forbidden", map(compact, asked))

    async def test_events(self) -> None:
        """
        An event name that is empty, too long, reserved or not printable is answered with
        C{invalid_event}.
        """
        names = ["", "x" * 129, "x" * 100_000, "presence:join", "*", "a\x00", "a\n", "a\u202e"]
        asked = [{"type": "publish", "topic": "odd/a", "event": name} for name in names]
        await self.assertErrors("invalid_event", map(compact, asked))

    async def test_deep(self) -> None:
        """
        JSON that is nested 10,000 levels deep is answered with C{too_deep}, wherever it is in the
        frame.
        """
        deep = b"[" * 10_000 + b"]" * 10_000
        await self.assertErrors(
            "too_deep",
            [
                publish(deep),
                publish(b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
                b'{"type":"ping","unknown":' + deep + b"}",
                b'{"type":"track","topic":"odd/a","state":{"a":' + deep + b"}}",
                b'{"type":"subscribe","topic":"beats","filter":{"n":' + deep + b"}}",
            ],
        )
        await self.assertErrors("invalid_frame", [deep, b"[" * 200_000])

    async def test_large(self) -> None:
        """
        A frame that is too large is answered with C{too_large} and its C{id}; a frame of more than
        a megabyte closes.
        """
        client = await self.client("mallory")
        client.text(publish(b'"' + b"x" * 900_000 + b'"', id="big"))
        error = await client.frame()
        self.assertEqual((error["code"], error["id"]), ("too_large", "big"))
        state = {"a": "x" * 20_000}
        await self.assertErrors(
            "too_large", [compact({"type": "track", "topic": "odd/a", "state": state})]
        )
        await self.assertCloses(TOO_BIG, maskedFrame(publish(b'"' + b"x" * 2**20 + b'"')))

    async def test_oddButValid(self) -> None:
        """
        Data that is unusual but valid JSON reaches other clients and the history unchanged.
        """
        reader = await self.subscribed("odd/a")
        client = await self.client("mallory")
        odd = [
            b'{"a":1,"a":2}',
            b'{"__proto__":{"admin":true},"constructor":null}',
            b"9" * 300,
            b"-0",
            b"1E308",
            b"18446744073709551616",
            b'"\\u0000"',
            b'"\\ud83d\\ude00"',
            '"😀\u202e\ufffe"'.encode(),
            b'"\'; DROP TABLE realtime_messages; --"',
            b'"<script>alert(1)</script>"',
            b"null",
            b'""',
            b"[ 1 ,\t2 ]",
            b"[" * 63 + b"]" * 63,
        ]
        for data in odd:
            client.text(publish(data, persist=True))
            await reader.frame()
            self.assertIn(b'"data":' + data + b",", reader.payload)
        raw = await self.raw()
        raw.write(
            b"GET /api/v1/public/realtime/history?room=odd/a/p HTTP/1.1\r\n"
            b"Host: a\r\nConnection: close\r\n\r\n"
        )
        await raw.lost
        for data in odd:
            self.assertIn(b'"data":' + data + b",", raw.received)

    async def test_oddIds(self) -> None:
        """
        An C{id} of any string or integer comes back unchanged.
        """
        client = await self.client("mallory")
        for messageId in ("", "\x00", "x" * 128, "😀", 0, -1, 2**63, 10**40, "1"):
            client.text(publish(b"1", id=messageId))
            self.assertEqual(await client.frame(), {"type": "ack", "id": messageId})

    async def test_sqlEverywhere(self) -> None:
        """
        SQL in any field that takes text is only text.
        """
        sql = "x'); DROP TABLE realtime_messages; DROP TABLE beats; --"
        client = await self.client(quote(sql))
        for fields in ({"filter": {sql: sql}}, {"columns": [sql]}, {"event": sql}):
            client.tell({"type": "subscribe", "topic": "beats", **fields})
            self.assertEqual((await client.frame())["code"], "invalid_filter")
        client.tell({"type": "subscribe", "topic": "beats"})
        self.assertEqual((await client.frame())["type"], "subscribed")
        client.tell({"type": "subscribe", "topic": "chat/a"})
        await client.frame()
        client.tell({"type": "chat", "roomId": "a", "text": sql, "metadata": {sql: sql}})
        said = await client.frame()
        self.assertEqual((said["userId"], said["data"]["text"]), (sql, sql))
        client.text(publish(b"1", topic="chat/a", event=sql, persist=True, id=sql))
        self.assertEqual((await client.frame())["event"], sql)
        self.assertEqual((await client.frame())["id"], sql)
        status, page, _ = await self.http(
            "GET", "/api/v1/public/realtime/history?room=chat/a/p&limit=1%3BDROP%20TABLE%20beats"
        )
        self.assertEqual((status, page["error"]), (400, "invalid_arguments"))
        _, page, _ = await self.http("GET", "/api/v1/public/realtime/history?room=chat/a/p")
        self.assertEqual([m["event"] for m in page["messages"]], [sql, "message"])


class TokenTests(HostileTests):
    """
    Tests for malformed tokens.
    """

    def projects(self) -> dict[str, ProjectConfig]:
        return {"p": makeProject(jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET))}

    async def test_bad(self) -> None:
        """
        A malformed token is refused with 401 at the opening, and later with an error and a close.
        """
        deep = b'{"a":' * 3000 + b"1" + b"}" * 3000
        good = b'{"alg":"HS256","typ":"JWT"}'
        bad = [
            *("x", "a.b.c", "." * 1000, "x" * 10_000, "'; DROP TABLE beats; --"),
            encoded(b'{"alg":"none"}', b'{"sub":"ann"}', b""),
            encoded(b'{"alg":["HS256"]}', b'{"sub":"ann"}', b"x"),
            encoded(deep[:9000], b"{}", b"x"),
            encoded(b"{}", b"\xff\xfe", b"x"),
            *(encoded(good, claims, b"x") for claims in (b"", b"[]", b"null", deep[:9000], deep)),
            encoded(good, b'{"exp":' + b"9" * 5000 + b"}", b"x"),
        ]
        for token in bad:
            client = await self.client("mallory")
            client.tell({"type": "auth", "token": token})
            self.assertEqual((await client.frame())["code"], "invalid_token", token[:80])
            await client.lost
            self.assertEqual(client.closeCode, CLOSE_TOKEN)
            if len(token) < 15_000:
                refused = await self.wire()
                offered = {"Sec-WebSocket-Protocol": f"aerostack-token.{token}, aerostack-v1"}
                opening = refused.upgrade("/api/realtime?projectId=p", offered)
                self.assertEqual((await self.assertFailure(opening, Refused)).status, 401)
        for token in ("", "\x00", "\u00e9.b.c"):
            client = await self.client("mallory")
            client.tell({"type": "auth", "token": token})
            self.assertEqual((await client.frame())["code"], "invalid_token")
            await client.lost


class RandomTests(HostileTests):
    """
    Tests with random input.
    """

    # The daemon's own process generates it, which makes its event loop late.
    limits: Mapping[str, Any] = {"lag": None}

    async def test_messages(self) -> None:
        """
        Every text message is answered, or closes the connection for a documented reason.
        """
        names = st.sampled_from(["type", "topic", "event", "data", "id", "state", "filter", "x"])
        words = st.sampled_from(["subscribe", "publish", "track", "chat", "beats", "odd/a", "p"])
        leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | words
        values = st.recursive(
            leaves, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=10
        )
        made = st.dictionaries(names, values).map(lambda frame: json.dumps(frame).encode())
        client = await self.client("mallory")
        for payload in examples(st.binary(max_size=200) | st.text().map(str.encode) | made, 300):
            client.text(payload)
            try:
                await client.barrier()
            except ConnectionResetError:
                await client.lost
                self.assertIn(client.closeCode, (INVALID_PAYLOAD, CLOSE_TOKEN), payload)
                client = await self.client("mallory")
        await self.beat()

    async def test_streams(self) -> None:
        """
        Every sequence of bytes on a connection, before or after the opening, is answered, closes
        the connection, or waits for more.
        """
        frames = st.builds(maskedFrame, st.binary(max_size=130), st.integers(0, 255), st.booleans())
        stream = st.lists(st.binary(max_size=300) | frames, max_size=5).map(b"".join)
        for n, data in enumerate(examples(stream, 200)):
            raw = await self.raw()
            raw.write(OPENING + data if n % 2 else data)
            await self.sleep(0.002)
            if raw.transport is not None:
                raw.write(data)
                raw.drop()
            if n % 50 == 0:
                await self.beat()
        for data in examples(stream, 200):
            client = await self.client("mallory")
            client.write(data)
            client.drop()
        await self.beat()
