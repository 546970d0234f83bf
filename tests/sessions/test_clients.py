"""
Tests for L{aerostack.sessions.session}: clients that come back and show by a secret that they do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jwt
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import CLOSE_REVOKED, CLOSE_SUPERSEDED, CLOSE_TOKEN
from aerostack.settings.projects import JWTConfig
from aerostack.testing import PUBLIC_KEY, TOKEN_SECRET, Frame, MemoryClient, World, makeProject


class ClientTests(SynchronousTestCase):
    """
    Tests for connections of one client.
    """

    def setUp(self) -> None:
        self.world = World({"p": makeProject(), "q": makeProject(id="q", publicKey=None)})

    def ended(self, client: MemoryClient) -> bool:
        """
        Whether the daemon closed a connection because the client has opened another one.
        """
        closing = client.connection.closing
        return closing is not None and closing[0] == CLOSE_SUPERSEDED

    def test_superseded(self) -> None:
        """
        A new connection of a client closes the earlier one, even if the network has not noticed
        that it is lost.
        """
        first = self.world.connect(client="s")
        first.ask(type="subscribe", topic="a/b")
        second = self.world.connect(client="s")
        self.assertTrue(self.ended(first))
        self.assertEqual(first.take(), [])
        third = self.world.connect(client="s")
        self.assertTrue(self.ended(second))
        for client in (first, second, third):
            client.die()
        self.assertEqual(len(self.world.hub.registry), 0)
        self.assertEqual(self.world.context.clients, {})

    def test_others(self) -> None:
        """
        A client with another secret, project or user is another client.
        """
        first = self.world.connect(client="s", projectId="p", userId="ann")
        self.world.connect(client="t", projectId="p", userId="ann")
        self.world.connect(client="s", projectId="q", userId="ann")
        self.world.connect(projectId="p", userId="ann")
        self.world.connect(client="s", projectId="p", userId="bob")
        self.assertFalse(self.ended(first))

    def test_presence(self) -> None:
        """
        A client that comes back, with a user id or without, takes over its presence, and
        subscribers see no leave and no join.
        """
        for user in ({}, {"userId": "ann"}):
            world = World()
            watcher = world.connect()
            watcher.ask(type="subscribe", topic="a/b")
            others = [world.connect(client=name, **user) for name in ("t", "u")]
            first = world.connect(client="s", **user)
            for client in (*others, first):
                client.send(type="track", topic="a/b", state={"n": 1})
            self.assertEqual(len(watcher.take()), 3)
            second = world.connect(client="s", **user)
            second.send(type="track", topic="a/b", state={"n": 1})
            first.close()
            world.advance(20)
            self.assertEqual(watcher.take(), [])
            second.ask(type="untrack", topic="a/b")
            (left,) = watcher.take()
            self.assertEqual(left["event"], "presence:leave")
            self.assertEqual(left["data"]["connectionId"], first.connectionId)

    def test_lost(self) -> None:
        """
        A client without a user id takes over its presence after its connection was lost.
        """
        watcher = self.world.connect()
        watcher.ask(type="subscribe", topic="a/b")
        for name in ("s", "t"):
            client = self.world.connect(client=name)
            client.ask(type="track", topic="a/b", state={})
            client.die()
        watcher.take()
        self.world.connect(client="t").ask(type="track", topic="a/b", state={})
        self.assertEqual(watcher.take(), [])
        self.world.connect(client="v").ask(type="track", topic="a/b", state={})
        self.assertEqual([frame["event"] for frame in watcher.take()], ["presence:join"])
        self.world.advance(20)
        self.assertEqual([frame["event"] for frame in watcher.take()], ["presence:leave"])

    def publish(self, secret: str | None, **more: Any) -> list[Frame]:
        """
        Publish without a user id on a new connection, and give the answer.
        """
        client = self.world.connect(client=secret)
        answer = client.ask(type="publish", topic="a/b", event="e", data=1, id=7, **more)
        client.die()
        return answer

    def test_repeats(self) -> None:
        """
        A publication that a client without a user id repeats on its next connection is delivered
        once; another client's with the same id is another publication.
        """
        watcher = self.world.connect()
        watcher.ask(type="subscribe", topic="a/b")
        for secrets, count in ((("s", "s", "s"), 1), (("t", "u"), 2), ((None, None), 2)):
            for secret in secrets:
                self.assertEqual(self.publish(secret), [{"type": "ack", "id": 7}])
            self.assertEqual(len(watcher.take()), count, secrets)

    def test_repeatsKept(self) -> None:
        """
        The daemon recognizes repeated publications after a restart if the database has kept them.
        """
        self.publish("s", persist=True)
        self.world.restart()
        for secret in ("s", "t"):
            self.assertEqual(self.publish(secret, persist=True), [{"type": "ack", "id": 7}])
        self.assertEqual(len(self.world.history.messages), 2)


class Recorder:
    """
    Writes down what an L{aerostack.interfaces.clients.IClients} hears.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str | None, bool]] = []
        self.sessions: list[Any] = []

    def _note(self, what: str, session: Any) -> None:
        isAlone = not any(each.client == session.client for each in self.sessions)
        self.heard.append((what, session.client, session.identity.userId, isAlone))

    def opened(self, session: Any) -> None:
        """
        Take note, also of whether the client has no other session that is not closing.
        """
        self.sessions = [each for each in self.sessions if not each._ending]
        self._note("opened", session)
        self.sessions.append(session)

    def changed(self, session: Any) -> None:
        """
        Take note.
        """
        self._note("changed", session)

    def closed(self, session: Any) -> None:
        """
        Take note.
        """
        self.sessions = [each for each in self.sessions if each is not session]
        self._note("closed", session)


class ElsewhereTests(SynchronousTestCase):
    """
    Tests for what other processes hear of sessions.
    """

    def test_heard(self) -> None:
        """
        The other processes hear of a client's new session after its earlier one here is closing,
        of another user, and of the end.  They do not hear of a client without a secret.
        """
        recorder = Recorder()

        class Heard(World):
            def _node(self) -> Any:
                return replace(super()._node(), clients=recorder)

        world = Heard({"p": makeProject(jwt=JWTConfig("HS256", TOKEN_SECRET))})
        world.connect()
        tokens = {name: jwt.encode({"sub": name}, TOKEN_SECRET) for name in ("ann", "bob")}
        first = world.connect(client="s", projectId="p", token=tokens["ann"])
        second = world.connect(client="s", projectId="p", token=tokens["ann"])
        for user in ("ann", "bob", "bob"):
            second.ask(type="auth", token=tokens[user])
        for client in (first, second):
            client.close()
        self.assertEqual(
            recorder.heard,
            [
                ("opened", "s", "ann", True),
                ("opened", "s", "ann", True),
                ("changed", "s", "bob", False),
                ("closed", "s", "ann", False),
                ("closed", "s", "bob", True),
            ],
        )


class ReconsideredTests(SynchronousTestCase):
    """
    Tests of clients under another configuration.
    """

    def test_revoked(self) -> None:
        """
        A client that may no longer connect gets an error and a close, and its presence ends; a
        client with an old token may send a new one.
        """
        project = makeProject(jwt=JWTConfig("HS256", TOKEN_SECRET))
        world = World({"p": project})
        watcher = world.connect(projectId="p")
        watcher.ask(type="subscribe", topic="a/b")
        token = jwt.encode({"sub": "ann"}, TOKEN_SECRET)
        clients = [world.connect(key=PUBLIC_KEY), world.connect(projectId="p", token=token)]
        for client in clients:
            client.ask(type="subscribe", topic="a/b")
            client.ask(type="track", topic="a/b", state={})
        watcher.take()
        other = JWTConfig("HS256", TOKEN_SECRET[::-1])
        world.authenticator.reload({"p": makeProject(publicKey="pk_another0123456789", jwt=other)})
        for client in (watcher, *clients):
            client.take()
            client.session.reconsider()
        watcher.send(type="publish", topic="a/b", event="e")
        expected = ((CLOSE_REVOKED, "unauthorized"), (CLOSE_TOKEN, "invalid_token"))
        for client, closing in zip(clients, expected, strict=True):
            self.assertEqual(client.connection.closing, closing)
            codes = [frame.get("code", frame["type"]) for frame in client.take()]
            self.assertEqual(codes[-1], closing[1])
        self.assertIsNone(watcher.connection.closing)
        events = [frame["event"] for frame in watcher.take()]
        self.assertEqual(events, ["presence:leave", "e"])
