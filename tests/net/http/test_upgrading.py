"""
Tests for the two ways of a request that opens a WebSocket: one by httptools, one by twisted.web.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.http import head, server
from aerostack.testing.world import PUBLIC_KEY
from tests.net.http.sites import LINES, SiteUnderTest, Wire, request
from tests.protocol.test_masking import frame

PING = frame(b'{"type":"ping"}')
PONG = b'\x81\x0f{"type":"pong"}'

SPELLINGS = st.sampled_from([str, str, str.lower, str.upper, str.title, str.swapcase])

HOSTILE = (
    *("Host: a", "hOST: b", "Origin: http://a.example", "Origin: http://b.example"),
    *("Authorization: Bearer a", "X-Aerostack-Key: a", "X-Forwarded-For: 192.0.2.1, 127.0.0.1"),
    *("Content-Length: 0", "Content-Length: 5", "Content-Length: -1", "Content-Length: 5, 5"),
    *("Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding: x"),
    *("Expect: 100-continue", "Expect: x", "Connection: close", "Connection: keep-alive"),
    *("Upgrade: h2c", "Upgrade: WebSocket", "Upgrade: h2c, websocket", "Connection: x, upgrade"),
    *("Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Cookie: a=b"),
    *("Sec-WebSocket-Protocol: aerostack-v1", "Sec-WebSocket-Protocol: a, a"),
    *("Sec-WebSocket-Protocol: aerostack-token.x, aerostack-v1", "Sec-WebSocket-Protocol: ,"),
    f"Sec-WebSocket-Protocol: aerostack-key.{PUBLIC_KEY}, aerostack-v1",
    f"Sec-WebSocket-Protocol: aerostack-session.{'s' * 20}",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9",
    *("X: a\r\n b", "X: a\n b", "X: a\r\n\tb", "X: a\0b", "X: a\rb", "X: a\nY: b", "X: \x01", "X:"),
    *(
        "X:\ta\t ",
        "X : a",
        " X: a",
        ": a",
        "X",
        "X Y: a",
        "X: \xff",
        "\xff: a",
        "X\0: a",
        "X: \x7f",
    ),
    *(
        "Origin:\thttp://a.example \t",
        "Origin:http://a.example",
        "Origin: ",
        "Origin: \xff\x85\xa0",
    ),
    *("X: \x0b", "X: a\x0c", "X: " + "a" * 300, "X: " + "a" * 17_000, "\n", "\r"),
    "\r\n".join(f"X{number}: a" for number in range(600)),
)

TARGETS = (
    *("/api/realtime?projectId=p", "/api/realtime", "/api/realtime?projectId=p&userId=%C3%A4"),
    *("/api/realtime?projectId=%ff", "/api/realtime?projectId=p&apiKey=x", "/api/realtime?a&a=&=b"),
    *("/api/realtime/?projectId=p", "//api/realtime?projectId=p", "/api/./realtime?projectId=p"),
    *("/%61pi/realtime?projectId=p", "/api/realtime#a?projectId=p", "/api/realtime?projectId=p#a"),
    *("http://a/api/realtime?projectId=p", "HTTPS://a?b/api/realtime", "/plain", "*", "a:1", ""),
    *(
        "/api/realtime?projectId=p\xff",
        "/api/realtime?a\tb",
        "/api/realtime?a b",
        "/api/realtime;a",
    ),
    *("/api/realtime?projectId=p&projectId=q", "/api/realtime?projectId=p?b", "/" + "a" * 17_000),
)

METHODS = (
    "GET",
    "GET",
    "GET",
    "GET",
    "get",
    "HEAD",
    "POST",
    "CONNECT",
    "PRI",
    "\r\nGET",
    "\nGET",
    "",
)

VERSIONS = ("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "http/1.1", "")


@st.composite
def requests(draw: Any) -> bytes:
    """
    A request that may open a WebSocket, and is often odd.
    """
    isOdd = draw(st.booleans())
    first = "GET /api/realtime?projectId=p HTTP/1.1"
    if isOdd:
        gap = draw(st.sampled_from([" "] * 8 + ["  ", "\t"]))
        first = gap.join(draw(st.sampled_from(each)) for each in (METHODS, TARGETS, VERSIONS))
    lines = [
        draw(SPELLINGS)(name) + ":" + rest for name, _, rest in (s.partition(":") for s in LINES)
    ]
    if draw(st.integers(0, 5)) == 0:
        del lines[draw(st.integers(0, len(lines) - 1))]
    lines += draw(st.lists(st.sampled_from(HOSTILE), max_size=3))
    end = draw(st.sampled_from(["\r\n"] * 9 + ["\n"]))
    return end.join([first, *draw(st.permutations(lines)), "", ""]).encode("latin-1")


BEHIND = st.sampled_from(
    [b"", b"", PING, PING * 3, PING[:-4], b"hello", b"\r\n", request(), b"GET /plain HTTP/1.1\r\n"]
)


def outcome(site: SiteUnderTest, wire: Wire, parts: list[bytes], carry: bool = True) -> Any:
    """
    Let a client write, and let it wait for the answer.

    @param carry: Whether the node answers in the end.
    @return: Everything that can be seen of it.
    """
    site.write(wire, *parts)
    while carry and site.line is not None and site.line.waiting:
        site.line.carry(1)
        site.turn()
    return wire.answer(), wire.disconnecting, site.held()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """
    Cut bytes at some places.
    """
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(ends)]


class EqualityTests(SynchronousTestCase):
    """
    Tests that compare the two ways.
    """

    def check(self, delayed: bool, data: bytes, places: list[int], **limits: Any) -> Any:
        """
        Check that both ways have the same outcome.

        @return: The outcome.
        """
        outcomes = []
        for short in (True, False):
            site = SiteUnderTest(short, delayed, **limits)
            wire = site.connect()
            found = [outcome(site, wire, cut(data, places))]
            if not wire.disconnecting:
                found.append(outcome(site, wire, [PING]))
            site.lose(wire)
            if site.line is not None:
                site.line.carry()
            found.append(site.held())
            self.assertEqual(site.held(), (0, 0, 0))
            self.assertEqual(self.flushLoggedErrors(), [])
            outcomes.append(found)
        self.assertEqual(*outcomes)
        return outcomes[0]

    @given(st.booleans(), requests(), BEHIND, st.lists(st.integers(0, 2000), max_size=2))
    @example(False, request(), PING, [])
    @example(True, request(), PING, [])
    def test_any(self, delayed: bool, asked: bytes, behind: bytes, places: list[int]) -> None:
        """
        However a request is made and cut, twisted.web would give the same answer.
        """
        self.check(delayed, asked + behind, places)

    def test_hostile(self) -> None:
        """
        A request with a line, a target, a method or a version that is odd is answered as
        twisted.web would answer it.
        """
        for line in HOSTILE:
            for delayed in (False, True):
                self.check(delayed, request(line) + PING, [])
        for target in TARGETS:
            self.check(False, request(target=target) + PING, [])
        for method in METHODS:
            self.check(False, request().replace(b"GET", method.encode(), 1) + PING, [])
        for version in VERSIONS:
            self.check(False, request().replace(b"HTTP/1.1", version.encode(), 1) + PING, [])

    def test_body(self) -> None:
        """
        A request in the body of another one opens nothing.
        """
        size = len(request())
        for before in (
            f"POST /plain HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode(),
            f"POST /api/realtime HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode(),
            f"GET /api/realtime HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode(),
            b"POST /plain HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (size + 5),
        ):
            for places in ([], [len(before)], [9]):
                ((answer, _, held), *_) = self.check(False, before + request(), places)
                self.assertNotIn(b"HTTP/1.1 101", answer)
                self.assertEqual(held[1], 0)

    def test_limits(self) -> None:
        """
        A client that the daemon has no room for is refused as twisted.web would refuse it.
        """
        for delayed in (False, True):
            ((answer, _, _), *_) = self.check(delayed, request(), [], connections=0)
            self.assertIn(b"HTTP/1.1 429", answer)
            self.assertIn(b"too_many_connections", answer)
            self.check(
                delayed, request() + request(), [], connectionsPerSecond=1, connectionsBurst=0
            )

    def test_first(self) -> None:
        """
        Of two requests the second does not lend its headers to the first.
        """
        plain = b"GET /api/realtime HTTP/1.1\r\nHost: a\r\n\r\n"
        ((answer, _, _), *_) = self.check(False, plain + request(), [])
        self.assertIn(b"426 Upgrade Required", answer)


class ShortWayTests(SynchronousTestCase):
    """
    Tests for the requests that twisted.web does not see.
    """

    def setUp(self) -> None:
        self.read: list[bytes] = []
        # twisted.web's request is made of each request that twisted.web reads.
        made = server.BoundedRequest.requestReceived

        def requestReceived(made_: Any, command: bytes, path: bytes, version: bytes) -> None:
            self.read.append(path)
            made(made_, command, path, version)

        self.patch(server.BoundedRequest, "requestReceived", requestReceived)

    def test_whole(self) -> None:
        """
        A request that comes as a whole becomes a WebSocket without twisted.web, and the bytes
        behind it are the client's first frames.
        """
        for delayed in (False, True):
            site = SiteUnderTest(delayed=delayed)
            wire = site.connect()
            offered = f"Sec-WebSocket-Protocol: aerostack-key.{PUBLIC_KEY}, aerostack-v1"
            answer, _, held = outcome(site, wire, [request(offered) + PING])
            self.assertTrue(answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n"))
            self.assertIn(b"Sec-WebSocket-Protocol: aerostack-v1\r\n", answer)
            self.assertTrue(answer.endswith(PONG))
            self.assertTrue(wire.isUndelayed)
            self.assertEqual(held, (1, 1, 0))
        self.assertEqual(self.read, [])

    def test_later(self) -> None:
        """
        Frames that come while a client waits for its place are answered once it has one.
        """
        site = SiteUnderTest(delayed=True)
        wire = site.connect()
        self.assertEqual(outcome(site, wire, [request() + PING, PING], False)[0], b"")
        answer, _, _ = outcome(site, wire, [])
        self.assertTrue(answer.endswith(PONG + PONG))
        self.assertEqual(self.read, [])

    def test_flood(self) -> None:
        """
        The daemon does not read on from a client that sends much while it waits for its place.
        """
        site = SiteUnderTest(delayed=True)
        wire = site.connect()
        outcome(site, wire, [request(), PING * 2000], False)
        self.assertEqual(wire.producerState, "paused")
        outcome(site, wire, [])
        self.assertEqual(wire.producerState, "producing")

    def test_gone(self) -> None:
        """
        The place of a client that goes while it waits is given back.
        """
        for carried in (0, 1):
            site = SiteUnderTest(delayed=True)
            wire = site.connect()
            outcome(site, wire, [request()], False)
            assert site.line is not None
            site.line.carry(carried)
            site.lose(wire)
            site.line.carry()
            self.assertEqual(site.held(), (0, 0, 0))
            self.assertEqual(wire.value(), b"")

    def test_timeOut(self) -> None:
        """
        The time for a request does not run on once the request has come.
        """
        site = SiteUnderTest(delayed=True)
        wire = site.connect()
        outcome(site, wire, [request()], False)
        site.world.clock.pump([1.0] * 100)
        self.assertFalse(wire.disconnecting)
        self.assertIn(b"HTTP/1.1 101", outcome(site, wire, [])[0])

    def test_silent(self) -> None:
        """
        A connection on which nothing comes, or too little, is closed when the time is over; bytes
        do not extend the time.
        """
        for parts in ([], [b"GET /"], [request()[:40]], [b"GET /plain HTTP/1.1\r\n"]):
            site = SiteUnderTest(handshakeTimeout=10.0)
            wire = site.connect()
            site.world.clock.advance(6)
            outcome(site, wire, parts)
            site.world.clock.advance(3.9)
            self.assertFalse(wire.disconnecting, parts)
            site.world.clock.advance(0.2)
            self.assertTrue(wire.disconnecting, parts)
            # These bytes were in flight.
            wire.protocol.dataReceived(b"x")
            site.turn()
            site.lose(wire)
            self.assertEqual(site.held(), (0, 0, 0))
            self.assertNotIn("forceAbort", str(site.world.clock.getDelayedCalls()))

    def test_again(self) -> None:
        """
        After an answer a client has the whole time for its next request.
        """
        for asked in (request(target="/plain"), request(target="/api/realtime?projectId=q")):
            site = SiteUnderTest(handshakeTimeout=10.0)
            wire = site.connect()
            site.world.clock.advance(6)
            outcome(site, wire, [asked])
            site.world.clock.advance(9.9)
            self.assertFalse(wire.disconnecting)
            site.world.clock.advance(0.2)
            self.assertTrue(wire.disconnecting)

    def test_refusedLater(self) -> None:
        """
        A client that is refused after it has waited gets the answer, and may ask again on the same
        connection.
        """
        site = SiteUnderTest(delayed=True)
        wire = site.connect()
        behind = b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n"
        refused = request(target="/api/realtime?projectId=q")
        answer, disconnecting, _ = outcome(site, wire, [refused + behind])
        self.assertEqual(answer.count(b"HTTP/1.1 404"), 1)
        self.assertIn(b'"error":"unknown_project"', answer)
        self.assertEqual(answer.count(b"HTTP/1.1 200"), 1)
        self.assertFalse(disconnecting)
        self.assertIn(b"HTTP/1.1 101", outcome(site, wire, [request()])[0])

    def test_failing(self) -> None:
        """
        If the daemon fails, the client gets an answer and the log has the failure.
        """
        for delayed in (False, True):
            site = SiteUnderTest(delayed=delayed)
            self.patch(site.connections, "newId", None)
            answer, _, held = outcome(site, site.connect(), [request()])
            self.assertIn(b"HTTP/1.1 500", answer)
            self.assertIn(b'"error":"internal_error"', answer)
            self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
            self.assertEqual(held, (0, 0, 1))

    def test_noSession(self) -> None:
        """
        If the daemon fails to make a session, it drops the connection.
        """
        for delayed in (False, True):
            site = SiteUnderTest(delayed=delayed)
            self.patch(site.connections, "_makeSession", None)
            wire = site.connect()
            outcome(site, wire, [request()])
            self.assertTrue(wire.disconnected)
            self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
            site.lose(wire)
            self.assertEqual(site.held(), (0, 0, 0))

    def test_others(self) -> None:
        """
        A request for another path, and one in pieces, is twisted.web's.
        """
        for parts in ([request(target="/plain")], [request()[:9], request()[9:]]):
            site = SiteUnderTest()
            outcome(site, site.connect(), parts)
        self.assertEqual(self.read, [b"/plain", b"/api/realtime?projectId=p"])

    def test_certain(self) -> None:
        """
        httptools reads only requests on paths with WebSockets.
        """
        self.patch(head, "HttpRequestParser", None)
        site = SiteUnderTest()
        for target in ("/plain", "/", "/api/realtimes"):
            outcome(site, site.connect(), [request(target=target)])
        self.assertEqual(len(self.read), 3)
