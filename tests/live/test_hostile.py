"""
What hostile and broken clients do, while somebody else is at work.
"""

from __future__ import annotations

import json
import random
import re
import socket
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aerostack.errors import (
    CLOSE_FLOOD,
    CLOSE_SILENT,
    CLOSE_SLOW,
    CLOSE_TOKEN,
    CLOSE_UNSUPPORTED,
)
from aerostack.housekeeping import Housekeeping
from aerostack.settings import JWTConfig, ProjectConfig
from aerostack.testing import TOKEN_SECRET, makeProject
from tests.live.daemon import DaemonTests
from tests.live.wire import BINARY, CLOSE, PING, PONG, TEXT, Frame, Refused, Wire, maskedFrame

CONTINUATION = 0x0
PROTOCOL_ERROR, INVALID_PAYLOAD, TOO_BIG = 1002, 1007, 1009

OPENING = (
    b"GET /api/realtime?projectId=p HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"\r\n"
)


def compact(frame: Frame) -> bytes:
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False).encode()


def publish(data: bytes, **fields: Any) -> bytes:
    """
    A C{publish} whose data is any bytes.
    """
    frame = {"type": "publish", "topic": "odd/a", "event": "e", **fields}
    return compact(frame)[:-1] + b',"data":' + data + b"}"


def encoded(*parts: bytes) -> str:
    """
    Something of a token's form.
    """
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def examples(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """
    Have values made up, for a test that cannot be one of Hypothesis's own, because it
    waits.
    """
    found: list[Any] = []

    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found


class HostileTests(DaemonTests):
    """
    Somebody who behaves, beside whoever does not.

    Before and after each test, and whenever a test calls L{beat}, a client publishes
    and a program writes to the database, and a watcher must be told of both.  In the
    end the daemon must hold what it held before.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.execute("CREATE TABLE beats (n INTEGER PRIMARY KEY)")
        self.beats = 0
        self.watcher = await self.subscribed("beat/a", "watcher")
        self.watcher.tell({"type": "subscribe", "topic": "beats"})
        self.assertEqual((await self.watcher.frame())["type"], "subscribed")
        self.publisher = await self.client("publisher")
        self.behaving = len(self.wires)
        await self.beat()
        self.before = self.held()

    async def tearDown(self) -> None:  # type: ignore[override]
        try:
            await self.beat()
            for wire in self.wires[self.behaving :]:
                wire.drop()
            while self.held() != self.before:
                await self.sleep(0.02)
            await self.beat()
            self.assertEqual(await self.watcher.barrier(), [])
        finally:
            await super().tearDown()

    def held(self) -> Any:
        """
        What clients cost the daemon: connections, subscriptions, sockets.
        """
        registry = self.daemon.hub.registry
        topics = {topic: len(registry.subscribers(topic)) for topic in registry}
        return len(self.daemon.connections), topics, len(self.reactor.getReaders())

    async def beat(self) -> None:
        """
        Publish and insert the next number, and see that the watcher gets both, and
        gets them next.
        """
        self.beats += 1
        self.publisher.tell(
            {"type": "publish", "topic": "beat/a", "event": "beat", "data": self.beats}
        )
        self.execute(f"INSERT INTO beats VALUES ({self.beats})")
        told = {frame["type"]: frame["data"] for frame in await self.watcher.frames(2)}
        self.assertEqual(told, {"event": self.beats, "db_change": {"n": self.beats}})

    async def raw(self) -> Wire:
        """
        A TCP connection on which nothing is parsed.
        """
        wire = await self.wire()
        wire.keepRaw()
        return wire

    async def assertCloses(self, code: int, *frames: bytes) -> None:
        """
        Make sure that a new client that sends this is closed with a code.
        """
        wire = await self.client("mallory")
        wire.write(b"".join(frames))
        await wire.lost
        self.assertEqual(wire.closeCode, code, frames[0][:40])


class BadMessageTests(HostileTests):
    """
    Whole messages that make no sense.
    """

    async def assertErrors(self, code: str, payloads: Iterable[bytes]) -> None:
        """
        Make sure that each message is answered by one error, and only that.
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
        What is not JSON is answered C{invalid_json}.
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
        JSON that is no frame is answered C{invalid_frame} or C{unknown_type}.
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
        A field that is missing or of the wrong type is answered C{invalid_frame}.
        """
        topic = {"topic": "odd/a"}
        published: Frame = {"type": "publish", **topic, "event": "e", "data": 1}
        wrong: list[Frame] = [
            *({"type": kind} for kind in ("subscribe", "unsubscribe", "publish", "track")),
            *({"type": kind} for kind in ("untrack", "chat", "auth")),
            *({"type": "subscribe", "topic": bad} for bad in (None, 5, ["odd/a"], {})),
            *({"type": "subscribe", "topic": "beats", "filter": f} for f in ([], "x", 5, True)),
            *({"type": "subscribe", "topic": "beats", "filter": {"n": v}} for v in ([], {"a": 1})),
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
        await self.assertErrors("invalid_frame", map(compact, wrong))
        infinite = b'{"type":"subscribe","topic":"beats","filter":{"n":1e999}}'
        await self.assertErrors("invalid_frame", [infinite])

    async def test_topics(self) -> None:
        """
        A malformed topic is answered C{invalid_topic}, whatever is asked of it; one
        that names no table, or one of the daemon's, is told so.
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
        An event name that is empty, endless, reserved or not printable is answered
        C{invalid_event}.
        """
        names = ["", "x" * 129, "x" * 100_000, "presence:join", "*", "a\x00", "a\n", "a\u202e"]
        asked = [{"type": "publish", "topic": "odd/a", "event": name} for name in names]
        await self.assertErrors("invalid_event", map(compact, asked))

    async def test_deep(self) -> None:
        """
        JSON that is nested 10,000 deep is answered C{too_deep}, wherever it stands.
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
        What is too large to be acted on is answered C{too_large} with the C{id}; a
        megabyte of data closes.
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
        Data is JSON and nothing else: however odd, it reaches others, and the history,
        as it was written.
        """
        reader = await self.subscribed("odd/a")
        client = await self.client("mallory")
        odd = [
            b'{"a":1,"a":2}',
            b'{"__proto__":{"admin":true},"constructor":null}',
            b"9" * 400,
            b"-0",
            b"1e999",
            b"18446744073709551616",
            b'"\\u0000"',
            b'"\\ud83d\\ude00"',
            '"😀\u202e\ufffe"'.encode(),
            b'"\'; DROP TABLE realtime_messages; --"',
            b'"<script>alert(1)</script>"',
            b"null",
            b'""',
            b"[ 1 ,\t2 ]",
            b"[" * 200 + b"]" * 200,
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
        Whatever string or integer a client chose as C{id}, it comes back as it was.
        """
        client = await self.client("mallory")
        for messageId in ("", "\x00", "x" * 10_000, "😀", 0, -1, 2**63, 10**40, "1"):
            client.text(publish(b"1", id=messageId))
            self.assertEqual(await client.frame(), {"type": "ack", "id": messageId})

    async def test_sqlEverywhere(self) -> None:
        """
        SQL in any place that takes text is text.
        """
        sql = "x'); DROP TABLE realtime_messages; DROP TABLE beats; --"
        client = await self.client(quote(sql))
        client.tell({"type": "subscribe", "topic": "beats", "filter": {sql: sql}})
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
    Tokens that are none.
    """

    def projects(self) -> dict[str, ProjectConfig]:
        return {"p": makeProject(jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET))}

    async def test_bad(self) -> None:
        """
        Such a token is refused with 401 at the opening, and later with an error and a
        close.
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


class ViolationTests(HostileTests):
    """
    Frames that break RFC 6455.
    """

    limits = {"closeTimeout": 0.1}  # noqa: RUF012

    async def test_headers(self) -> None:
        """
        Reserved bits and opcodes, unmasked frames and wasteful lengths close with 1002.
        """
        for reserved in (0x40, 0x20, 0x10, 0x70):
            await self.assertCloses(PROTOCOL_ERROR, maskedFrame(b"x", TEXT | reserved))
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
            await self.assertCloses(PROTOCOL_ERROR, maskedFrame(b"x", opcode))
        await self.assertCloses(PROTOCOL_ERROR, b'\x81\x0f{"type":"ping"}')
        await self.assertCloses(PROTOCOL_ERROR, b"\x81\xfe\x00\x05abcdhello")
        await self.assertCloses(PROTOCOL_ERROR, b"\x81\xff" + bytes(7) + b"\x05abcdhello")
        await self.assertCloses(PROTOCOL_ERROR, b"\x81\xff\x80" + bytes(11))

    async def test_fragments(self) -> None:
        """
        Fragments out of turn close with 1002.
        """
        await self.assertCloses(PROTOCOL_ERROR, maskedFrame(b"x", CONTINUATION))
        await self.assertCloses(
            PROTOCOL_ERROR, maskedFrame(b"x", TEXT, fin=False), maskedFrame(b"x", TEXT)
        )

    async def test_controls(self) -> None:
        """
        Control frames that are fragmented or too long close with 1002.
        """
        for opcode in (PING, PONG, CLOSE):
            await self.assertCloses(PROTOCOL_ERROR, maskedFrame(b"ab", opcode, fin=False))
            await self.assertCloses(PROTOCOL_ERROR, maskedFrame(b"x" * 126, opcode))

    async def test_closes(self) -> None:
        """
        A close frame that breaks the rules is answered with 1002, one whose reason is
        no text with 1007, a good one with 1000.
        """
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535):
            await self.assertCloses(PROTOCOL_ERROR, maskedFrame(code.to_bytes(2, "big"), CLOSE))
        await self.assertCloses(PROTOCOL_ERROR, maskedFrame(b"x", CLOSE))
        await self.assertCloses(INVALID_PAYLOAD, maskedFrame(b"\x03\xe8\xff", CLOSE))
        for good in (b"", b"\x03\xe8", b"\x03\xe9bye", b"\x0f\xa0"):
            await self.assertCloses(1000, maskedFrame(good, CLOSE), b"\xff" * 99)

    async def test_notText(self) -> None:
        """
        Text that is not UTF-8 closes with 1007, also across fragments; a binary frame
        closes with 1003.
        """
        for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98"):
            await self.assertCloses(INVALID_PAYLOAD, maskedFrame(publish(b'"' + bad + b'"')))
        await self.assertCloses(INVALID_PAYLOAD, maskedFrame(b'{"\xe2\x82'))
        await self.assertCloses(
            INVALID_PAYLOAD,
            maskedFrame(b'{"\xe2', TEXT, fin=False),
            maskedFrame(b"\x82", CONTINUATION, fin=False),
            maskedFrame(b'":1}', CONTINUATION),
        )
        await self.assertCloses(CLOSE_UNSUPPORTED, maskedFrame(b'{"type":"ping"}', BINARY))

    async def test_endlessMessage(self) -> None:
        """
        A message beyond the limit closes with 1009 as soon as that is known, in one
        frame or in many; one of endless empty frames closes with 4029.
        """
        await self.assertCloses(TOO_BIG, b"\x81\xff" + (2**40).to_bytes(8, "big") + b"abcd")
        more = maskedFrame(b"x" * 60_000, CONTINUATION, fin=False)
        await self.assertCloses(TOO_BIG, maskedFrame(b"x", TEXT, fin=False), more * 20)
        empty = maskedFrame(b"", CONTINUATION, fin=False)
        await self.assertCloses(CLOSE_FLOOD, maskedFrame(b"", TEXT, fin=False), empty * 2000)

    async def test_lingering(self) -> None:
        """
        A client that does not answer the close is dropped, however much else it sends.
        """
        client = await self.client("mallory")
        client.answerClose = False
        client.write(b"\x81\xff" + (2**40).to_bytes(8, "big") + b"abcd")
        gone = []
        client.lost.addCallback(gone.append)
        while not gone:
            client.write(b"x" * 1000)
            await self.sleep(0.02)
        self.assertEqual(client.closeCode, TOO_BIG)

    async def test_pingingAfterTheClose(self) -> None:
        """
        Pings do not keep a connection that was closed.
        """
        client = await self.client("mallory")
        client.answerClose = False
        client.write(maskedFrame(b"", 3))
        gone = []
        client.lost.addCallback(gone.append)
        while not gone:
            client.write(maskedFrame(b"", PING))
            await self.sleep(0.02)
        self.assertEqual(client.closeCode, PROTOCOL_ERROR)


class UnusualTests(HostileTests):
    """
    Clients that are unusual, and in the right.
    """

    async def test_fragmented(self) -> None:
        """
        A message may come in pieces, cut within a character, with control frames
        between them.
        """
        client = await self.subscribed("odd/a")
        message = publish('"😀"'.encode())
        cut = message.index(b"\xf0") + 2
        client.write(
            maskedFrame(message[:cut], TEXT, fin=False)
            + maskedFrame(b"one", PING)
            + maskedFrame(b"", CONTINUATION, fin=False)
            + maskedFrame(b"nobody asked", PONG)
            + maskedFrame(b"two", PING)
            + maskedFrame(message[cut:], CONTINUATION)
        )
        self.assertEqual((await client.frame())["data"], "😀")
        self.assertEqual(client.pongs, [b"one", b"two"])

    async def test_byteByByte(self) -> None:
        """
        An opening and a frame may come a byte at a time.
        """
        client = await self.wire()
        opened = client.open(OPENING[:1], b"dGhlIHNhbXBsZSBub25jZQ==")
        for n in range(1, len(OPENING)):
            client.write(OPENING[n : n + 1])
            await self.sleep(0)
        await opened
        await self.beat()
        for byte in maskedFrame(b'{"type":"ping"}'):
            client.write(bytes([byte]))
            await self.sleep(0)
        self.assertEqual(await client.frame(), {"type": "pong"})

    async def test_manyAtOnce(self) -> None:
        """
        Many frames may come in one segment, and are answered in order.
        """
        client = await self.client("ann")
        client.write(b"".join(maskedFrame(publish(b"1", id=n)) for n in range(500)))
        self.assertEqual([f["id"] for f in await client.frames(500)], list(range(500)))

    async def test_pipelined(self) -> None:
        """
        Requests before the opening, on the same connection, are answered first.
        """
        raw = await self.raw()
        history = b"GET /api/v1/public/realtime/history?room=a/b/p HTTP/1.1\r\nHost: a\r\n\r\n"
        raw.write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" + history + OPENING)
        while b"HTTP/1.1 101" not in raw.received:
            await self.sleep(0.01)
        statuses = re.findall(rb"HTTP/1\.1 (\d+)", raw.received)
        self.assertEqual(statuses, [b"200", b"200", b"101"])


class FloodTests(HostileTests):
    """
    Too much.
    """

    async def test_messages(self) -> None:
        """
        Messages beyond the rate are answered C{rate_limited}, and who goes on is
        closed with 4029.
        """
        client = await self.client("mallory")
        client.write(maskedFrame(b'{"type":"ping"}') * 10_000)
        await self.beat()
        await client.lost
        self.assertEqual(client.closeCode, CLOSE_FLOOD)
        answers = await client.frames(client.waitingFrames())
        self.assertEqual(answers[0], {"type": "pong"})
        refused = next(answer for answer in answers if answer["type"] == "error")
        self.assertEqual(refused["code"], "rate_limited")
        self.assertGreater(refused["retryAfter"], 0)

    async def test_pings(self) -> None:
        """
        Pings count as frames do.
        """
        client = await self.client("mallory")
        client.write(maskedFrame(b"", PING) * 10_000)
        await self.beat()
        await client.lost
        self.assertEqual(client.closeCode, CLOSE_FLOOD)

    async def test_steadilyTooFast(self) -> None:
        """
        Tokens that drip into a flood do not excuse it.
        """
        client = await self.client("mallory")
        gone = []
        client.lost.addCallback(gone.append)
        while not gone:
            client.write(maskedFrame(b"junk") * 100)
            await self.sleep(0.02)
        self.assertEqual(client.closeCode, CLOSE_FLOOD)


class SubscriptionFloodTests(HostileTests):
    """
    Subscriptions without end.
    """

    limits = {"framesBurst": 100_000}  # noqa: RUF012

    async def test_subscriptions(self) -> None:
        """
        Of 10,000 subscriptions, those beyond the limit are refused; all are gone with
        the client.
        """
        client = await self.client("mallory")
        client.write(
            b"".join(
                maskedFrame(compact({"type": "subscribe", "topic": f"odd/{n}"}))
                for n in range(10_000)
            )
        )
        await self.beat()
        answers = await client.frames(10_000)
        self.assertEqual([a["type"] for a in answers[:1000]], ["subscribed"] * 1000)
        self.assertEqual({a["code"] for a in answers[1000:]}, {"too_many_subscriptions"})
        self.assertEqual(answers[-1]["topic"], "odd/9999/p")

    async def test_presence(self) -> None:
        """
        Presence counts as subscriptions do.
        """
        client = await self.client("mallory")
        for n in range(1500):
            client.tell({"type": "track", "topic": f"odd/{n}", "state": {}})
        answers = await client.barrier()
        self.assertEqual(
            [a["code"] for a in answers if a["type"] == "error"], ["too_many_subscriptions"] * 500
        )
        await client.closeCleanly()


class SlowTests(HostileTests):
    """
    Clients that do not read.
    """

    limits = {"closeTimeout": 30.0}  # noqa: RUF012

    async def stalled(self) -> Wire:
        """
        A client that is subscribed and reads no more.
        """
        client = await self.subscribed("odd/a", "mallory")
        assert client.transport is not None
        client.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.transport.pauseProducing()  # type: ignore[attr-defined]
        return client

    async def pour(self, megabytes: int) -> int:
        """
        Publish on the client's topic, and see that somebody who reads gets all.
        """
        reader = await self.subscribed("odd/a", "reader")
        count = megabytes * 5
        for n in range(count):
            await self.emit("e", {"n": n, "padding": "x" * 200_000}, "odd/a")
            if n % 10 == 0:
                await self.beat()
        frames = await reader.frames(count)
        self.assertEqual([frame["data"]["n"] for frame in frames], list(range(count)))
        return count

    async def test_tooSlow(self) -> None:
        """
        A client that does not read while 20 MB are published is closed with 4008,
        what waits for it is bounded, and others get everything.
        """
        client = await self.stalled()
        count = await self.pour(20)
        assert client.transport is not None
        client.transport.resumeProducing()  # type: ignore[attr-defined]
        await client.lost
        self.assertEqual(client.closeCode, CLOSE_SLOW)
        # What the kernel's buffers took, and what the outbox may hold.
        self.assertLess(client.waitingFrames(), count * 3 // 4)


class StuckTests(SlowTests):
    """
    Clients that do not read, nor ever will.
    """

    limits = {"closeTimeout": 0.5}  # noqa: RUF012

    async def test_tooSlow(self) -> None:
        """
        A client that is closed as too slow, and does not read that either, is dropped.
        """
        await self.stalled()
        await self.pour(20)
        await self.onlyTheReaderIsLeft()

    async def test_closesUnread(self) -> None:
        """
        A client that closes without reading what is queued for it is dropped.
        """
        client = await self.stalled()
        await self.pour(3)
        client.write(maskedFrame(b"\x03\xe8", CLOSE))
        await self.onlyTheReaderIsLeft()

    async def onlyTheReaderIsLeft(self) -> None:
        """
        Wait until the daemon has dropped the client.
        """
        while len(self.daemon.connections) > self.before[0] + 1:
            await self.sleep(0.05)


class SilentTests(HostileTests):
    """
    Clients that have gone, or may have.
    """

    limits = {"pingInterval": 1.0, "pongTimeout": 1.0, "handshakeTimeout": 0.5}  # noqa: RUF012

    async def test_silent(self) -> None:
        """
        A client that does not answer pings is closed with 4002; one that does, stays.
        """
        client = await self.client("mallory")
        client.answerPings = False
        await client.lost
        self.assertEqual(client.closeCode, CLOSE_SILENT)
        self.assertEqual(len(self.daemon.connections), self.before[0])

    async def test_halfAFrame(self) -> None:
        """
        A client that stops within a frame is found silent.
        """
        client = await self.client("mallory")
        client.answerPings = False
        client.write(maskedFrame(b'{"type":"ping"}')[:9])
        await client.lost
        self.assertEqual(client.closeCode, CLOSE_SILENT)

    async def test_halfClosed(self) -> None:
        """
        A client that half-closes its connection is gone.
        """
        client = await self.subscribed("odd/a", "mallory")
        assert client.transport is not None
        client.transport.loseWriteConnection()  # type: ignore[attr-defined]
        await client.lost

    async def test_endlessOpening(self) -> None:
        """
        An opening, or any other request, must come whole within the time-out: a byte
        now and then buys no more of it.
        """
        post = b"POST /internal/hooks/rpc HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
        for opening in (OPENING[:-2], post, b""):
            raw = await self.raw()
            raw.write(opening)
            gone: list[None] = []
            raw.lost.addCallback(gone.append)
            while not gone:
                raw.write(b"x")
                await self.sleep(0.05)
            self.assertEqual(raw.received, b"")

    async def test_abandoned(self) -> None:
        """
        Two hundred clients that open and vanish at any point leave nothing behind.
        """
        chance = random.Random(1)
        sent = OPENING + b"".join(
            maskedFrame(compact(frame))
            for frame in (
                {"type": "subscribe", "topic": "odd/a"},
                {"type": "subscribe", "topic": "beats"},
                {"type": "track", "topic": "odd/a", "state": {}},
                {"type": "chat", "roomId": "a", "text": "hi"},
            )
        )
        self.patch(Housekeeping, "sweepInterval", 0.1)
        for n in range(200):
            raw = await self.raw()
            end = chance.randrange(len(sent) + 1)
            raw.write(sent[:end])
            if chance.random() < 0.7:
                await self.sleep(chance.random() / 100)
            if chance.random() < 0.5:
                raw.drop()
            elif raw.transport is not None:
                raw.transport.loseConnection()
            if n % 50 == 0:
                await self.beat()


class OpeningTests(HostileTests):
    """
    Openings that are none.
    """

    async def test_notHTTP(self) -> None:
        """
        What is not HTTP is answered 400 and closed.
        """
        for request in (
            b"hello\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n",
            b"GET\r\n\r\n",
            OPENING[:-2] + b"no colon\r\n\r\n",
            OPENING[:-2] + b"Bad Name: 1\r\n\r\n",
            OPENING[:-2] + b"Content-Length: -1\r\n\r\n",
            OPENING[:-2] + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ):
            raw = await self.raw()
            raw.write(request)
            await raw.lost
            self.assertTrue(raw.received.startswith(b"HTTP/1.1 400"), (request[:40], raw.received))

    async def test_hugeHeads(self) -> None:
        """
        Too much of a head is answered 400 or 431, and closed.
        """
        for request in (
            b"\x00" * 17_000,
            OPENING[:-2] + b"X-Large: " + b"x" * 17_000,
            OPENING[:-2] + b"X-Many: 1\r\n" * 501 + b"\r\n",
        ):
            raw = await self.raw()
            raw.write(request)
            await raw.lost
            self.assertIn(raw.received[:12], (b"HTTP/1.1 400", b"HTTP/1.1 431"), request[:40])
        for request in (
            OPENING[:-2] + b"X-Large: " + b"x" * 100_000 + b"\r\n\r\n",
            OPENING[:-2] + b"X-Many: 1\r\n" * 5000 + b"\r\n",
        ):
            # What is still under way when the daemon closes can take the answer with it.
            raw = await self.raw()
            raw.write(request)
            await raw.lost

    async def test_oddHeaders(self) -> None:
        """
        Bytes that are no text, in any header, are refused or ignored like other
        nonsense.
        """
        for name in ("Origin", "Sec-WebSocket-Protocol", "Authorization", "X-Aerostack-Key"):
            for path in ("/api/realtime?projectId=p", "/api/v1/public/realtime/history?room=a/b/p"):
                raw = await self.raw()
                request = f"GET {path} HTTP/1.1\r\n{name}: ".encode() + b"\xff\x85\xa0\r\n"
                raw.write(request + OPENING.partition(b"\r\n")[2])
                while b"\r\n\r\n" not in raw.received:
                    await self.sleep(0.01)
                self.assertIn(raw.received[9:12], (b"101", b"200", b"400", b"401", b"403"), request)
                raw.drop()

    async def test_tooEarly(self) -> None:
        """
        Frames that come right behind the opening, before it is answered, are frames,
        and leave the connection as it should be.
        """
        client = await self.wire()
        early = b"".join(maskedFrame(publish(b"1", id=n)) for n in range(900))
        await client.open(OPENING + early, b"dGhlIHNhbXBsZSBub25jZQ==")
        self.assertEqual([f["id"] for f in await client.frames(900)], list(range(900)))
        self.assertEqual(await client.barrier(), [])


class RandomTests(HostileTests):
    """
    Noise.
    """

    async def test_messages(self) -> None:
        """
        Whatever text comes as a message is answered, and the connection stays, or is
        closed for a reason that is documented.
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
        Whatever bytes come on a connection, before or after its opening, it is
        answered, closed or kept waiting.
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
