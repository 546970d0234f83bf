"""
Tests for the frames that clients send over requests, on a site without sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aerostack.errors import CLOSE_FLOOD
from aerostack.sessions.session import Session
from tests.net.http.sites import Wire
from tests.net.sse.events import ORIGIN, EventsCase, post


class SendTests(EventsCase):
    """
    Tests for what the client sends.
    """

    def test_sent(self) -> None:
        """
        A client sends frames one by one or several at a time, and gets their answers as events.
        """
        wire = self.open()
        session = self.session(wire)
        self.assertEqual(self.send(session, {"type": "ping"}), (202, {"accepted": 1}))
        self.assertEqual(
            self.send(session, {"type": "ping"}, {"type": "nix"}), (202, {"accepted": 2})
        )
        self.assertEqual(self.types(wire), ["session", "pong", "pong", "error"])
        lines = (f"X-Aerostack-Session: {session}",)
        self.assertEqual(self.request("/api/realtime/send", b"[]", *lines)[0], 202)

    def test_order(self) -> None:
        """
        Frames of a thousand requests at the same time are all taken, each request's in order.
        """
        wire = self.open(body=b'{"type": "subscribe", "topic": "chat/a"}')
        session = self.session(wire)
        for number in range(450):
            event = {"type": "publish", "topic": "chat/a", "event": "e", "data": number}
            self.send(session, event, {**event, "data": -number})
        self.world.turn()
        data = [frame["data"] for frame in self.frames(wire) if frame["type"] == "event"]
        self.assertEqual(data, [sign * number for number in range(450) for sign in (1, -1)])

    def test_unknown(self) -> None:
        """
        Without the session's secret nothing can be sent, and nothing is said of what is wrong.
        """
        session = self.session(self.open())
        name = session.partition(".")[0]
        for other in (name, f"{name}.", f"{name}.x", "x.secret", f"{session}x", f".{session}"):
            status, body = self.send(other, {"type": "ping"})
            self.assertEqual((status, body["error"]), (404, "unknown_session"), other)
        self.assertEqual(self.send("", {"type": "ping"})[0], 400)

    def test_foreign(self) -> None:
        """
        A page of another origin, and a request that names another project, cannot use a session.
        """
        session = self.session(self.open(ORIGIN))
        for lines in ((), ("Origin: http://b.example",)):
            status, body = self.send(session, {"type": "ping"}, lines=lines)
            self.assertEqual((status, body["error"]), (403, "origin_not_allowed"))
        lines = (ORIGIN, "X-Aerostack-Project: q")
        self.assertEqual(
            self.send(session, {"type": "ping"}, lines=lines)[1]["error"], "wrong_project"
        )
        self.assertEqual(self.send(session, {"type": "ping"}, lines=(ORIGIN,))[0], 202)

    def test_bodies(self) -> None:
        """
        A list that cannot be read is refused as a whole; a frame that cannot be read is answered
        with an error.
        """
        wire = self.open()
        path = f"/api/realtime/send?session={self.session(wire)}"
        for body, code in (
            (b"[", "invalid_json"),
            (b"[1,]", "invalid_json"),
            (b"[" * 100_000, "too_deep"),
            (b"[%b1]" % (b"1," * 1000), "too_large"),
            (b" " * (self.site.limits.bodyBytes + 1), "too_large"),
            (b"\xff", "invalid_json"),
        ):
            self.assertEqual(self.request(path, body)[1]["error"], code, body[:9])
        self.assertEqual(self.types(wire), ["session"])
        for body in (b"{", b"1", b'"', b"[1, null]", b'{"type": 1}', b"nul\n"):
            self.assertEqual(self.request(path, body)[0], 202, body)
        self.assertEqual(self.types(wire)[1:], ["error"] * 7)

    def test_notText(self) -> None:
        """
        Bytes that are not UTF-8 reach no other client: they would end its connection.
        """
        watcher = self.open(body=b'{"type": "subscribe", "topic": "chat/a"}')
        wire = self.open()
        path = f"/api/realtime/send?session={self.session(wire)}"
        frame = b'{"type": "publish", "topic": "chat/a", "event": "e", "data": "\xff"}'
        for body in (frame, b"[%b]" % frame):
            status, answer = self.request(path, body)
            self.assertEqual((status, answer["error"]), (400, "invalid_json"))
            self.assertEqual(int(self.open(body=body).value().split()[1]), 400)
        self.assertEqual(self.types(watcher), ["session", "subscribed"])

    def test_unreadable(self) -> None:
        """
        A subscription with an option that cannot be read gets an error, in the opening and later,
        and the connection goes on.
        """
        for value in (b"1e999999", b"1" * 5000, b"[" * 3000):
            frame = b'{"type": "subscribe", "topic": "chat/a", "view": %b}' % value
            wire = self.open(body=frame)
            self.assertEqual(self.types(wire), ["session", "error"], value[:9])
            path = f"/api/realtime/send?session={self.session(wire)}"
            self.assertEqual(self.request(path, frame)[0], 202, value[:9])
            self.assertEqual(self.send(self.session(wire), {"type": "ping"})[0], 202)
            self.assertEqual(self.types(wire)[1:], ["error", "error", "pong"], value[:9])

    def test_failing(self) -> None:
        """
        If the daemon fails at a client's frame, the connection ends, and so does the request.
        """
        wire = self.open()
        self.patch(Session, "received", None)
        self.assertEqual(self.send(self.session(wire), {"type": "ping"})[0], 404)
        self.assertTrue(wire.disconnecting)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_closed(self) -> None:
        """
        A client says that it leaves: its presence leaves at once, and frames behind are refused.
        """
        watcher = self.open(body=b'{"type": "subscribe", "topic": "chat/a"}')
        wire = self.open(body=b'{"type": "track", "topic": "chat/a", "state": {}}')
        session = self.session(wire)
        self.assertEqual(self.send(session, {"type": "close"}, {"type": "ping"})[0], 202)
        self.assertEqual(self.frames(wire)[-1], {"type": "close", "code": 1000, "reason": ""})
        self.assertTrue(wire.value().endswith(b"\r\n0\r\n\r\n"))
        self.assertEqual(self.frames(watcher)[-1]["event"], "presence:leave")
        self.assertEqual(self.send(session, {"type": "ping"})[0], 404)
        self.assertEqual(self.site.held()[:2], (1, 1))
        self.assertEqual(len(self.site.uplink), 1)

    def test_longReason(self) -> None:
        """
        Of the reason that a client gives, the daemon takes as much as over a WebSocket, and no code
        that there is not.
        """
        for code, taken in ((4999, 4999), (999, 1000), (5000, 1000), (1 << 60, 1000), (None, 1000)):
            wire = self.open()
            frame = {"type": "close", "code": code, "reason": "x" + "ä" * 50_000}
            self.assertEqual(self.send(self.session(wire), frame)[0], 202)
            close = self.frames(wire)[-1]
            self.assertEqual((close["code"], close["reason"]), (taken, "x" + "ä" * 61))

    def test_lastWord(self) -> None:
        """
        A client whose connection broke can still say that it leaves, and nothing else.
        """
        watcher = self.open(body=b'{"type": "subscribe", "topic": "chat/a"}')
        wire = self.open(ORIGIN, body=b'{"type": "track", "topic": "chat/a", "state": {}}')
        session = self.session(wire)
        self.site.lose(wire)
        self.assertEqual(self.send(session, {"type": "ping"}, lines=(ORIGIN,))[0], 404)
        self.assertEqual(self.send(session, lines=(ORIGIN,))[0], 404)
        self.assertEqual(self.send(session, {"type": "close"})[0], 403)
        self.assertEqual(self.frames(watcher)[-1]["event"], "presence:join")
        self.assertEqual(self.send(session, {"type": "close"}, lines=(ORIGIN,))[0], 202)
        self.assertEqual(self.frames(watcher)[-1]["event"], "presence:leave")

    def test_lostWaiting(self) -> None:
        """
        A request that waits when the connection breaks is refused.
        """
        wire = self.open()
        self.site.connections.intake.stopped = True
        waiting = self.site.connect()
        path = f"/api/realtime/send?session={self.session(wire)}"
        self.site.write(waiting, post(path, b'{"type": "ping"}'))
        self.assertEqual(waiting.value(), b"")
        self.site.lose(wire)
        self.assertEqual(int(waiting.value().split()[1]), 404)

    def test_lingering(self) -> None:
        """
        After a second, or when its client has another connection, a connection that broke is
        over.
        """
        wire = self.open("X-Aerostack-Client: 0123456789abcdef")
        session = self.session(wire)
        self.site.lose(wire)
        self.assertEqual(self.site.held()[:2], (0, 1))
        again = self.open("X-Aerostack-Client: 0123456789abcdef")
        self.site.turn()
        self.assertEqual(self.site.held()[:2], (1, 1))
        self.assertEqual(self.send(session, {"type": "close"})[0], 404)
        session = self.session(again)
        self.site.lose(again)
        self.world.advance(1)
        self.assertEqual(self.site.held()[:2], (0, 0))
        self.assertEqual(self.send(session, {"type": "close"})[0], 404)
        self.site.lose(self.open())
        self.site.connections.abort()
        self.assertEqual(self.site.held()[:2], (0, 0))

    def test_lost(self) -> None:
        """
        The presence of a client that goes without a word waits for it.
        """
        watcher = self.open(body=b'{"type": "subscribe", "topic": "chat/a"}')
        wire = self.open(body=b'{"type": "track", "topic": "chat/a", "state": {}}')
        self.site.lose(wire)
        self.assertEqual(self.frames(watcher)[-1]["event"], "presence:join")
        self.world.advance(11)
        self.assertEqual(self.frames(watcher)[-1]["event"], "presence:leave")


class FloodTests(EventsCase):
    """
    Tests for the rate of frames.
    """

    limits: Mapping[str, Any] = {"framesBurst": 10, "framesPerSecond": 1.0}

    def test_flood(self) -> None:
        """
        Frames count as those of a WebSocket: those that come too fast are refused, and a flood
        closes the connection, with the code that a WebSocket would be closed with.
        """
        wire = self.open()
        session = self.session(wire)
        self.send(session, *[{"type": "publish", "topic": "chat/a", "event": "e"}] * 12)
        self.assertEqual({frame["code"] for frame in self.frames(wire)[1:]}, {"rate_limited"})
        for _ in range(10):
            self.send(session, *[{"type": "publish", "topic": "chat/a", "event": "e"}] * 100)
        self.assertEqual(self.frames(wire)[-1]["code"], CLOSE_FLOOD)


class SlowBodyTests(EventsCase):
    """
    Tests for requests whose bodies come slowly.
    """

    def drip(self, path: str) -> Wire:
        """
        Begin a request, and send a byte of its body each second until its time is over.
        """
        wire = self.site.connect()
        self.site.write(wire, post(path, b"[" + b" " * 1000)[:-1000])
        for _ in range(round(self.site.limits.handshakeTimeout) - 1):
            self.world.advance(1)
            self.assertFalse(wire.disconnecting)
            self.site.write(wire, b" ")
        self.world.advance(1)
        return wire

    def test_opening(self) -> None:
        """
        An opening whose body does not come in time is dropped.  It holds no place meanwhile.
        """
        wire = self.drip("/api/realtime/sse?projectId=p")
        self.assertTrue(wire.disconnecting)
        self.assertEqual(wire.value(), b"")
        self.assertEqual(self.site.held()[:2], (0, 0))

    def test_sending(self) -> None:
        """
        A request to send whose body does not come in time is dropped.  The session takes other
        requests meanwhile, and goes on.
        """
        wire = self.open()
        session = self.session(wire)
        slow = self.drip(f"/api/realtime/send?session={session}")
        self.assertTrue(slow.disconnecting)
        self.assertEqual(slow.value(), b"")
        self.assertEqual(self.send(session, {"type": "ping"})[0], 202)
        self.assertEqual(self.types(wire), ["session", "pong"])
