"""
Tests for a client that comes back: as itself, and without what the daemon does not take.
"""

from __future__ import annotations

from typing import Any

from aerostack.client.address import Address
from aerostack.client.closing import closed
from tests.client.worlds import AWAY, WorldTestCase


class SessionTests(WorldTestCase):
    """
    Tests for the secret by which the daemon knows a client.
    """

    def secret(self, number: int = -1) -> str | None:
        """
        The secret of a connection.
        """
        return self.world.wires[number].session

    def test_secret(self) -> None:
        """
        Each client has a long secret of its own, the same at every opening.
        """
        first, second = self.client(), self.client()
        secrets = [self.secret(number) for number in (0, 1)]
        self.assertNotEqual(secrets[0], secrets[1])
        self.assertGreaterEqual(len(secrets[0] or ""), 22)
        self.world.cut()
        first.connect()
        second.connect()
        self.world.turn()
        self.assertEqual([self.secret(number) for number in (0, 1)], secrets)

    def test_offered(self) -> None:
        """
        The secret is a subprotocol, even without a credential.
        """
        address = Address("ws://h", session="s" * 32)
        self.assertEqual(address.protocols, [f"aerostack-session.{'s' * 32}", "aerostack-v1"])
        self.assertNotIn("sss", repr(address))

    def test_nameless(self) -> None:
        """
        A publication of a client without a user counts once, however often it went out.
        """
        channel = self.client(None).channel("chat/a")
        heard = self.heard(self.client("eve").channel("chat/a"))
        self.result(self.world.wires and self.client("bob").channel("chat/b").subscribe())
        watcher = self.client("carl").channel("chat/a")
        heard = self.heard(watcher)
        self.result(watcher.subscribe())
        for number in range(5):
            waiting = channel.publish("e", number)
            # The daemon gets it, and its answer gets lost.
            self.world.step()
            self.away()
            self.successResultOf(waiting)
        self.assertEqual(heard, list(range(5)))

    def test_presence(self) -> None:
        """
        A client that comes back before the daemon noticed its loss is the same member.
        """
        watcher = self.client("carl").channel("chat/a")
        events: list[str] = []
        watcher.on("*", lambda frame: events.append(frame["event"]))
        self.result(watcher.subscribe())
        client = self.client(None)
        client.channel("chat/a").track({"n": 1})
        self.world.turn()
        self.assertEqual(events.pop(), "presence:join")
        wire = self.world.wires[-1]
        # The client's side is cut, the daemon's is not.
        session, wire._session = wire._session, None
        wire.cut()
        self.world.advance(AWAY)
        assert session is not None
        session.closed(False)
        self.world.advance(AWAY)
        self.assertEqual(events, [])
        self.assertEqual([m["state"] for m in watcher.presence.members], [{"n": 1}])


class TooLargeTests(WorldTestCase):
    """
    Tests for frames that are larger than the daemon's C{limits.frame_bytes}.
    """

    def refuseFrames(self, most: int, reason: str) -> None:
        """
        Let the daemon close the connection when it gets a larger frame.
        """
        opening = self.world.openTransport

        def open(address: Any, user: Any) -> Any:
            wire: Any = opening(address, user)
            send = wire.send

            def check(payload: bytes) -> None:
                if len(payload) > most:
                    wire.left(closed(1009, reason))
                else:
                    send(payload)

            wire.send = check
            return wire

        self.patch(self.world, "openTransport", open)

    def test_publication(self) -> None:
        """
        Only the publication that is too large fails, whether or not the daemon says the limit.
        """
        for reason in ("a frame has at most 2000 bytes", "too large"):
            self.refuseFrames(2000, reason)
            client = self.client("ann")
            channel = client.channel(f"chat/{len(reason)}")
            heard = self.heard(channel)
            self.result(channel.subscribe())
            sizes = (1, 3000, 2, 5000, 3, 4000)
            waiting = [channel.publish("e", "x" * size) for size in sizes]
            self.world.advance(3 * AWAY)
            for size, each in zip(sizes, waiting, strict=True):
                if size > 2000:
                    self.assertEqual(self.refusal(each), "too_large")
                else:
                    self.successResultOf(each)
            self.assertEqual([len(data) for data in heard], [1, 2, 3])
            self.assertEqual(client.status, "connected")

    def test_others(self) -> None:
        """
        Only the state or the filter that is too large fails.
        """
        self.refuseFrames(2000, "a frame has at most 2000 bytes")
        channel = self.client("ann").channel("chat/a")
        told: list[str] = []
        channel.onError(lambda error: told.append(error.code))
        channel.track({"a": "x" * 3000})
        self.world.advance(AWAY)
        self.assertEqual(told, ["too_large"])
        waiting = channel.subscribe(filter={"a": "x" * 3000})
        self.world.advance(AWAY)
        self.assertEqual(self.refusal(waiting), "too_large")
        self.result(channel.publish("e", 1))

    def test_nothing(self) -> None:
        """
        A client that sent no frame that was too large does not come back.
        """
        client = self.client("ann")
        self.world.wires[0].left(closed(1009, "a frame has at most 2000 bytes"))
        self.world.advance(AWAY)
        self.assertEqual((client.status, self.errors), ("disconnected", ["closed"]))
