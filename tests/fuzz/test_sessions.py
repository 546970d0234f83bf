"""
Random frames of clients, valid and damaged, while permissions change.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import jwt
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.access.permissions import Action
from aerostack.core.access.tables import Access
from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.rows.columns import ColumnType
from aerostack.core.topics.topics import topicOf
from aerostack.errors import CLOSE_INTERNAL, RealtimeError
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import JWTConfig
from aerostack.settings.tables import TableConfig
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET, MemoryClient, World, makeProject
from tests.fuzz import seeds

TOPICS = ("chat/a", "chat/b", "orders", "bills", "nowhere", "chat/a/q", "a/../b", "")
DATA: tuple[Any, ...] = (1, 1.5, "x", None, {"a": [1, {"b": "é"}]}, "\ud83d", 10**400, [[]])
RULES = (
    {},
    {"orders": TableConfig(("token",), ("card",), "owner = :sub")},
    {"orders": TableConfig(()), "bills": TableConfig(("anonymous", "key", "token"))},
    {"*": TableConfig(("anonymous", "key", "token"), (), "id > 2")},
)


class Crowd:
    """
    Clients of a daemon, and the frames that they got.

    @ivar owed: By client, the ids that still need an answer.
    """

    def __init__(self, case: SynchronousTestCase, seed: int) -> None:
        self.case = case
        self.random = Random(seed)
        self.world = World(
            {"p": self.project(), "q": makeProject(id="q", publicKey=None, secretKey=None)},
            LimitsConfig(subscriptions=3, framesBurst=200, messageBytes=2000),
            tables=("orders", "bills"),
        )
        self.world.tracker.shape = {
            "id": ColumnType.NUMBER,
            "owner": ColumnType.TEXT,
            "card": ColumnType.TEXT,
        }
        self.clients: list[MemoryClient] = []
        self.owed: dict[MemoryClient, set[Any]] = {}
        self.serial = 0

    def project(self) -> Any:
        """
        Return the project, with its keys as they are or rotated.
        """
        rotated = self.random.random() < 0.2
        return makeProject(
            jwt=JWTConfig("HS256", TOKEN_SECRET),
            publicKey="pk_another0123456789" if rotated else PUBLIC_KEY,
            anonymous=self.random.random() < 0.8,
        )

    def token(self) -> str:
        """
        Return the token of a random user.
        """
        claims: dict[str, Any] = {"sub": self.random.choice(("ann", "bob", "a\nb"))}
        if self.random.random() < 0.5:
            claims["topics"] = {"subscribe": ["chat/*", "table/orders"], "presence": ["**"]}
        return jwt.encode(claims, TOKEN_SECRET)

    def come(self) -> None:
        """
        Connect a client, if it is allowed to.
        """
        choose = self.random.choice
        credentials = choose(
            (
                {"projectId": "p"},
                {"projectId": "p", "userId": "ann"},
                {"key": PUBLIC_KEY},
                {"key": SECRET_KEY},
                {"projectId": "p", "token": self.token()},
            )
        )
        try:
            client = self.world.connect(client=choose((None, "s", "t")), **credentials)
        except RealtimeError:
            return
        self.clients.append(client)
        self.owed[client] = set()

    def frame(self) -> dict[str, Any]:
        """
        Return a random frame.
        """
        choose = self.random.choice
        self.serial += 1
        kind = choose(
            ("subscribe", "unsubscribe", "publish", "publish", "chat", "track", "untrack", "auth")
        )
        frame: dict[str, Any] = {"type": kind, "topic": choose(TOPICS)}
        if kind in ("publish", "chat"):
            frame["id"] = self.serial
            frame["persist"] = self.random.random() < 0.3
        frame |= {
            "publish": {"event": choose(("e", "", "presence:x")), "data": choose(DATA)},
            "chat": {"roomId": choose(("a", "b/c", "")), "text": choose(("hi", "\ud83d"))},
            "track": {"state": {"s": choose(DATA)}, "sync": choose((True, False))},
            "auth": {"token": self.token()},
            "subscribe": choose(
                ({}, {"filter": {"id": 3}}, {"columns": ["id"]}, {"snapshot": True}, {"since": "x"})
            ),
        }.get(kind, {})
        if kind == "chat":
            del frame["topic"]
        return frame

    def send(self, client: MemoryClient) -> None:
        """
        Let a client send something, perhaps damaged.
        """
        frame = self.frame()
        payload = json.dumps(frame).encode()
        if self.random.random() < 0.3:
            place = self.random.randrange(len(payload))
            payload = self.random.choice(
                (
                    payload[:place],
                    payload[:place] + payload[place + 1 :],
                    payload[:place] + bytes([self.random.randrange(0x20, 0x7F)]) + payload[place:],
                )
            )
        elif "id" in frame:
            self.owed[client].add(frame["id"])
        client.sendRaw(payload)

    def hear(self, client: MemoryClient) -> None:
        """
        Check the frames that a client got.
        """
        closing = client.connection.closing
        self.case.assertNotEqual((closing or (0,))[0], CLOSE_INTERNAL)
        for frame in client.take():
            if frame["type"] in ("ack", "error") and frame.get("id") in self.owed[client]:
                self.owed[client].remove(frame["id"])
                self.case.assertEqual("request" in frame, frame["type"] == "error")
        if closing is None:
            self.case.assertEqual(self.owed[client], set())
            self.reauthorize(client)

    def reauthorize(self, client: MemoryClient) -> None:
        """
        Check that a client has no subscription that it may not have.
        """
        session, world = client.session, self.world
        world.authenticator.reauthorize(session.identity)
        held = {
            Action.SUBSCRIBE: world.hub.registry.topicsOf(session),
            Action.PRESENCE: tuple(world.hub.presence.topicsOf(session.connectionId)),
        }
        self.case.assertLessEqual(len({t for topics in held.values() for t in topics}), 3)
        for action, topics in held.items():
            for canonical in topics:
                world.feeds.permit(session.identity, action, topicOf(canonical))

    def reload(self) -> None:
        """
        Apply another configuration.
        """
        project, other = self.project(), self.world.projects["q"]
        projects = {"p": project, "q": other}
        self.world.authenticator.reload(projects)
        feeds = self.world.feeds
        feeds.reload(feeds.allowed, feeds.projects, Access(projects, self.random.choice(RULES)))
        for client in self.clients:
            client.session.reconsider()

    def step(self) -> None:
        """
        Do one random thing.
        """
        chance = self.random.random()
        if chance < 0.1 or not self.clients:
            self.come()
            return
        client = self.random.choice(self.clients)
        if chance < 0.15:
            self.clients.remove(client)
            self.random.choice((client.close, client.die))()
        elif chance < 0.2:
            self.reload()
        elif chance < 0.3:
            self.serial += 1
            row = {"id": self.serial, "owner": self.random.choice(("ann", "bob")), "card": "c"}
            self.world.tracker.change(
                Change(self.serial, self.random.choice(("orders", "bills")), INSERT, row, None, 7)
            )
        else:
            self.send(client)
        self.world.advance(0.1)
        for each in tuple(self.clients):
            each.session.heard()
            self.hear(each)
            if each.connection.closing is not None:
                self.clients.remove(each)
                each.die()


class SessionFuzzTests(SynchronousTestCase):
    """
    Tests with random sessions.
    """

    def test_random(self) -> None:
        """
        No client makes the daemon fail, has a forbidden subscription, or waits forever for an
        answer to a publication.  After all clients have left, no state is left.
        """
        for seed in seeds(6):
            crowd = Crowd(self, seed)
            try:
                for _ in range(250):
                    crowd.step()
                for client in crowd.clients:
                    client.close()
                crowd.world.advance(20)
                left = (
                    len(crowd.world.hub.registry),
                    list(crowd.world.hub.presence.rosters.topics()),
                    crowd.world.tracker.watched,
                    crowd.world.context.clients,
                    len(crowd.world.shares.subscriptions),
                )
                self.assertEqual(left, (0, [], {}, {}, 0))
                self.assertEqual(self.flushLoggedErrors(), [])
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
