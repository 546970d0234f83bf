"""
Tests for L{aerostack.sessions.removing}, and for the sessions that it closes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jwt
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.access.removals import Disconnect, Revocation
from aerostack.core.access.revocations import Revocations, Room
from aerostack.delivery import slices
from aerostack.errors import CLOSE_DISCONNECTED, CLOSE_TOKEN, RealtimeError
from aerostack.sessions.removing import SCANNED, Removal
from aerostack.sessions.session import Session
from aerostack.settings.projects import JWTConfig
from aerostack.testing import TOKEN_SECRET, MemoryClient, World, makeProject
from tests.answers import codes

SPAM = Disconnect("p", "ann", CLOSE_DISCONNECTED, "spam")


class RemovalCase(SynchronousTestCase):
    """
    A daemon with two projects, and the removal of users from it.

    @ivar clients: All clients that have connected.
    """

    def setUp(self) -> None:
        tokens = JWTConfig("HS256", TOKEN_SECRET, None)
        self.world = World(
            {
                "p": makeProject(jwt=tokens, defaultRead=("token",)),
                "q": makeProject(
                    id="q", publicKey=None, secretKey="sk_of_q_0123456789", jwt=tokens
                ),
            },
            grace=10,
        )
        self.clients: list[MemoryClient] = []
        self.removal = self.makeRemoval(
            lambda: [client.session for client in self.clients],
            self.world.authenticator.revocations,
        )

    def makeRemoval(
        self, sessions: Callable[[], Sequence[Session]], revocations: Revocations
    ) -> Removal:
        """
        Make the removal for some sessions.
        """
        world = self.world
        return Removal(world.clock, world.wall, world.hub.presence, revocations, sessions)

    def token(self, userId: str = "ann", **claims: Any) -> str:
        """
        A token that was issued now.
        """
        claims = {"sub": userId, "iat": int(self.world.wall()), **claims}
        return jwt.encode(claims, TOKEN_SECRET, "HS256")

    def connect(self, userId: str = "ann", project: str = "p", **claims: Any) -> MemoryClient:
        """
        Connect with a token that was issued now.
        """
        client = self.world.connect(projectId=project, token=self.token(userId, **claims))
        self.clients.append(client)
        return client

    def removed(self, order: Disconnect | Revocation) -> int:
        """
        Carry out an order.

        @return: How many connections were closed.
        """
        done = self.removal.carryOut(order)
        self.world.turn()
        return self.successResultOf(done)

    def revocation(self, **differing: Any) -> Revocation:
        """
        A revocation of all tokens of C{ann} that were issued before now, for a minute.
        """
        now = int(self.world.wall() * 1000)
        values = {
            **{"project": "p", "userId": "ann", "tokenId": None},
            **{"before": now, "until": now + 60_000, "reason": "spam"},
            **differing,
        }
        return Revocation(**values)


class RemovalTests(RemovalCase):
    """
    Tests for L{Removal}.
    """

    def test_disconnect(self) -> None:
        """
        All connections of the user in the project are closed with the code and the reason, those
        of other users and of another project stay, and the user may come back.
        """
        gone = [self.connect(), self.connect()]
        stay = [self.connect("bob"), self.connect(project="q"), self.connect("ann2")]
        self.assertEqual(self.removed(SPAM), 2)
        for client in gone:
            self.assertEqual(client.connection.closing, (CLOSE_DISCONNECTED, "spam"))
        for client in stay:
            self.assertIsNone(client.connection.closing)
        self.assertEqual(self.removed(SPAM), 0)
        back = self.connect()
        self.assertIsNone(back.connection.closing)
        self.assertEqual(self.removed(SPAM), 1)

    def test_anonymous(self) -> None:
        """
        A user whose name no token proves is disconnected by the name that others see.
        """
        client = self.world.connect(userId="ann")
        self.clients.append(client)
        self.assertEqual(self.removed(SPAM), 0)
        self.assertEqual(self.removed(Disconnect("p", "anonymous:ann", 4100, "")), 1)
        self.assertEqual(client.connection.closing, (4100, ""))

    def test_revoke(self) -> None:
        """
        The user's connections are closed with 4001 and an error that has the reason.  Openings
        and C{auth} with tokens from before are refused; a token that was issued later is good.
        """
        client, server = self.connect(), self.connect("bob")
        before = self.token()
        self.world.advance(1)
        self.assertEqual(self.removed(self.revocation()), 1)
        (error,) = client.take()
        self.assertEqual(error["code"], "token_revoked")
        self.assertIn("(spam)", error["message"])
        self.assertEqual(client.connection.closing, (CLOSE_TOKEN, "token_revoked"))
        refused = self.assertRaises(RealtimeError, self.world.connect, projectId="p", token=before)
        self.assertEqual((refused.code, refused.http), ("token_revoked", 401))
        self.assertEqual(codes(server.ask(type="auth", token=before)), ["token_revoked"])
        self.assertEqual(server.connection.closing, (CLOSE_TOKEN, "token_revoked"))
        fresh = self.connect()
        self.assertEqual(fresh.ask(type="ping"), [{"type": "pong"}])
        self.world.advance(60)
        self.world.connect(projectId="p", token=before)

    def test_revokeOne(self) -> None:
        """
        With the id of a token, only connections with that token are closed.
        """
        one, other = self.connect(jti="t1"), self.connect(jti="t2")
        self.assertEqual(self.removed(self.revocation(tokenId="t1")), 1)
        self.assertEqual(one.connection.closing, (CLOSE_TOKEN, "token_revoked"))
        self.assertIsNone(other.connection.closing)

    def test_noToken(self) -> None:
        """
        A revocation leaves the connections without a token alone.
        """
        client = self.world.connect(userId="ann")
        self.clients.append(client)
        self.world.advance(1)
        self.assertEqual(self.removed(self.revocation(userId="anonymous:ann")), 0)
        self.assertIsNone(client.connection.closing)

    def test_full(self) -> None:
        """
        Without room for a revocation no connection is closed.
        """
        client = self.connect()
        full = Revocations(Room(1, 10_000))
        full.add(self.revocation(userId="bob"), self.world.wall())
        removal = self.makeRemoval(lambda: [client.session], full)
        failure = self.failureResultOf(removal.carryOut(self.revocation()), RealtimeError)
        self.assertEqual(failure.value.code, "overloaded")
        self.world.turn()
        self.assertIsNone(client.connection.closing)

    def test_recheck(self) -> None:
        """
        Connections with tokens that another node revoked are closed when this node learns of it.
        """
        client, other = self.connect(), self.connect("bob")
        self.world.advance(1)
        self.world.authenticator.revocations.add(self.revocation(), self.world.wall())
        done = self.removal.recheckTokens()
        self.world.turn()
        self.assertEqual(self.successResultOf(done), 1)
        self.assertEqual(client.connection.closing, (CLOSE_TOKEN, "token_revoked"))
        self.assertIsNone(other.connection.closing)

    def test_pieces(self) -> None:
        """
        An order that finds very many connections does not do all of its work in one turn.
        """
        sessions = Counting([self.connect("bob").session] * (2 * SCANNED))
        removal = self.makeRemoval(lambda: sessions, Revocations())
        # The time that a turn may take is over at once.
        self.patch(slices, "SLICE", 0.0)
        removal.carryOut(SPAM)
        self.world.step()
        self.assertEqual(sessions.looked, SCANNED)
        self.world.turn()
        self.assertEqual(sessions.looked, 2 * SCANNED)


class Counting(list[Session]):
    """
    Sessions.

    @ivar looked: How many of them were looked at.
    """

    looked = 0

    def __iter__(self) -> Iterator[Session]:
        for session in super().__iter__():
            self.looked += 1
            yield session


class PresenceTests(RemovalCase):
    """
    Tests for the presence of removed users.
    """

    def setUp(self) -> None:
        super().setUp()
        self.watcher = self.connect("watcher")
        for topic in ("doc/1", "doc/2"):
            self.watcher.ask(type="subscribe", topic=topic)

    def track(self, client: MemoryClient, *topics: str) -> None:
        for topic in topics:
            client.ask(type="track", topic=topic, state={})
        self.watcher.take()

    def left(self) -> list[tuple[str, str]]:
        """
        Which members have left, and where.
        """
        return [
            (frame["data"]["userId"], frame["topic"])
            for frame in self.watcher.take()
            if frame["event"] == "presence:leave"
        ]

    def test_leavesAtOnce(self) -> None:
        """
        The user's presence leaves at once, also if the connection then breaks without a close.
        """
        for order in (lambda: SPAM, self.revocation):
            client = self.connect()
            self.track(client, "doc/1", "doc/2")
            self.world.advance(1)
            self.watcher.take()
            self.removed(order())
            self.assertEqual(self.left(), [("ann", "doc/1/p"), ("ann", "doc/2/p")])
            client.die()
            self.world.advance(20)
            self.assertEqual(self.left(), [])

    def test_manyTopics(self) -> None:
        """
        A user who is present on more topics than one turn looks at leaves all of them, also if
        the connection breaks in between.
        """
        client = self.connect()
        topics = [f"doc/{number}" for number in range(3, 150)]
        self.track(client, *topics)
        done = self.removal.carryOut(SPAM)
        self.world.step()
        client.die()
        self.world.turn()
        self.assertEqual(self.successResultOf(done), 1)
        self.assertEqual(list(self.world.hub.presence.topicsOf(client.connectionId)), [])
        self.assertEqual(
            [self.world.hub.presence.rosters.count(f"{t}/p") for t in topics], [0] * 147
        )

    def test_lost(self) -> None:
        """
        The presence of a lost connection of the user, which waits for the user to come back, ends
        as well; that of others goes on waiting.
        """
        for user in ("ann", "bob"):
            client = self.connect(user)
            self.track(client, "doc/1")
            client.die()
        self.assertEqual(self.removed(SPAM), 0)
        self.assertEqual(self.left(), [("ann", "doc/1/p")])
        self.world.advance(11)
        self.assertEqual(self.left(), [("bob", "doc/1/p")])

    def test_otherProject(self) -> None:
        """
        The presence of a user of the same name in another project stays.
        """
        client = self.connect(project="q")
        client.ask(type="track", topic="doc/1", state={})
        client.die()
        self.removed(SPAM)
        self.assertEqual(self.world.hub.presence.rosters.count("doc/1/q"), 1)

    def test_waitsForTable(self) -> None:
        """
        A user who waits for a table to be found does not become present after being removed.
        """
        client = self.connect()
        self.world.tracker.asked = []
        client.send(type="track", topic="orders", state={})
        self.removed(SPAM)
        (found,) = self.world.tracker.asked
        found()
        self.world.turn()
        self.assertEqual(self.world.hub.presence.rosters.count("table/orders/p"), 0)
