"""
Tests for L{aerostack.tables.feed.TableFeed.permit}: which roles have which rights on which topics,
and that every way into the daemon asks this function.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import jwt
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.admin.diagnosis import Diagnosis
from aerostack.admin.directory import Directory
from aerostack.admin.taps import Tap, Taps
from aerostack.auth.authenticator import Credentials
from aerostack.core.access.permissions import Action
from aerostack.core.topics.patterns import Patterns
from aerostack.core.topics.topics import parseTopic
from aerostack.errors import RealtimeError
from aerostack.protocol.codec import encodeValue
from aerostack.sessions.session import Session
from aerostack.settings.projects import JWTConfig
from aerostack.settings.tables import TableConfig
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET, World, makeProject

TABLES = ("open", "members", "private", "unlisted")
ALL = ("chat/a", *TABLES, "chat/a/q")

ROLES: dict[str, dict[str, str]] = {
    "anonymous": {"projectId": "p"},
    "key": {"key": PUBLIC_KEY},
    "token": {"projectId": "p", "token": "{}"},
    "present": {"projectId": "p", "token": '{"presence": ["**"]}'},
    "reader": {"projectId": "p", "token": '{"subscribe": ["chat/*", "table/members"]}'},
    "secret": {"key": SECRET_KEY},
}

F, T, W = "forbidden", "table_not_allowed", "wrong_project"

#                              chat/a open members private unlisted chat/a/q
VERDICTS: dict[str, dict[Action, tuple[str, ...]]] = {
    "anonymous": {
        Action.SUBSCRIBE: ("", "", F, F, T, W),
        Action.PRESENCE: ("", "", F, F, T, W),
        Action.PUBLISH: ("", F, F, F, F, W),
    },
    "key": {
        Action.SUBSCRIBE: ("", "", F, F, T, W),
        Action.PRESENCE: ("", "", F, F, T, W),
        Action.PUBLISH: ("", F, F, F, F, W),
    },
    "token": {
        Action.SUBSCRIBE: ("", F, "", F, F, W),
        Action.PRESENCE: ("", F, "", F, F, W),
        Action.PUBLISH: ("", F, F, F, F, W),
    },
    "present": {
        Action.SUBSCRIBE: (F, F, F, F, F, W),
        Action.PRESENCE: ("", F, "", F, F, W),
        Action.PUBLISH: (F, F, F, F, F, W),
    },
    "reader": {
        Action.SUBSCRIBE: ("", F, "", F, F, W),
        Action.PRESENCE: (F, F, F, F, F, W),
        Action.PUBLISH: (F, F, F, F, F, W),
    },
    "secret": {
        Action.SUBSCRIBE: ("", "", "", "", T, W),
        Action.PRESENCE: ("", "", "", "", T, W),
        Action.PUBLISH: ("", "", "", "", T, W),
    },
}
"""The code of each refusal, by identity, action and topic; the empty string if it is allowed."""


class Nobody:
    """
    A tap's reader that reads nothing.
    """

    def write(self, line: bytes) -> None:
        pass

    def finish(self) -> None:
        pass


class PermitCase(SynchronousTestCase):
    """
    A daemon with tables for some roles.
    """

    def setUp(self) -> None:
        project = makeProject(jwt=JWTConfig("HS256", TOKEN_SECRET), defaultRead=())
        access = {
            "open": TableConfig(("anonymous", "key")),
            "members": TableConfig(("token",)),
            "private": TableConfig(()),
            "unlisted": TableConfig(("anonymous", "key")),
        }
        other = makeProject(id="q", publicKey=None, secretKey=None)
        self.world = World({"p": project, "q": other}, tables=TABLES, access=access)
        self.world.feeds.allowed = Patterns(["open", "members", "private"])
        self.taps = Taps(self.world.clock, self.world.hub, self.world.feeds)

    def credentials(self, role: str) -> dict[str, str]:
        """
        Give the credentials of a role.
        """
        brought = dict(ROLES[role])
        if "token" in brought:
            claims: dict[str, Any] = {"sub": "ann"}
            topics = json.loads(brought["token"])
            if topics:
                claims["topics"] = topics
            brought["token"] = jwt.encode(claims, TOKEN_SECRET, "HS256")
        return brought

    def expected(self, role: str, action: Action) -> dict[str, str]:
        """
        Give the refusals for each topic.
        """
        return dict(zip(ALL, VERDICTS[role][action], strict=True))

    def asked(self, call: Any, *args: Any) -> str:
        """
        Give the error code of a request; the empty string if it is allowed.
        """
        try:
            result = call(*args)
        except RealtimeError as error:
            return error.code
        if isinstance(result, Deferred):
            failed: list[Any] = []
            result.addErrback(failed.append)
            if failed:
                return str(failed[0].value.code)
        return ""


class PermitTests(PermitCase):
    """
    Tests for all pairs.
    """

    def test_judge(self) -> None:
        """
        The function gives the expected verdicts.
        """
        for role, verdicts in VERDICTS.items():
            identity = self.world.authenticator.identify(Credentials(**self.credentials(role)), 0)
            for action in verdicts:
                found = {}
                for name in ALL:
                    topic = parseTopic(name, "q" if name.endswith("/q") else "p", ("p", "q"), 99)
                    found[name] = self.asked(self.world.feeds.permit, identity, action, topic)
                self.assertEqual(found, self.expected(role, action), (role, action))

    def test_webSocket(self) -> None:
        """
        A WebSocket gives the same verdict for each frame.
        """
        for role in VERDICTS:
            for action, frame in (
                (Action.SUBSCRIBE, {"type": "subscribe"}),
                (Action.PRESENCE, {"type": "track", "state": {}}),
                (Action.PUBLISH, {"type": "publish", "event": "e"}),
            ):
                found = {}
                for name in ALL:
                    client = self.world.connect(**self.credentials(role))
                    answers = client.ask(topic=name, **frame)
                    found[name] = "".join(f["code"] for f in answers if f["type"] == "error")
                    client.close()
                self.assertEqual(found, self.expected(role, action), (role, action))

    def test_history(self) -> None:
        """
        The history over HTTP gives the same verdict as a subscription.
        """
        client = HTTPClient(self.world.agent())
        for role in VERDICTS:
            brought = self.credentials(role)
            headers = {}
            if "token" in brought:
                headers["authorization"] = f"Bearer {brought['token']}"
            elif "key" in brought:
                headers["x-aerostack-key"] = brought["key"]
            found = {}
            for name in ALL:
                # A client without a credential names the project by the topic.
                room = f"{name}/p" if role == "anonymous" and not name.endswith("/q") else name
                room = f"table/{room}" if room.partition("/")[0] in TABLES else room
                query = urlencode({"room": room})
                url = f"http://world.test/api/v1/public/realtime/history?{query}"
                response = self.successResultOf(client.get(url, headers=headers))
                answer = self.successResultOf(response.json())
                found[name] = answer.get("error", "")
            expected = self.expected(role, Action.SUBSCRIBE)
            if role == "anonymous":
                # That is a request to the other project.
                expected["chat/a/q"] = ""
            self.assertEqual(found, expected, role)

    def test_server(self) -> None:
        """
        The RPC and the console give the same verdict for the secret key.
        """
        server = self.world.authenticator.identify(Credentials(key=SECRET_KEY), 0)
        emitted, watched = {}, {}
        for name in ALL:
            body = encodeValue({"method": "socket.emit", "args": ["e", 1, name]})
            emitted[name] = self.asked(self.world.rpc.call, server, body)
            topic = parseTopic(name, "q" if name.endswith("/q") else "p", ("p", "q"), 99)
            tap = Tap(server, topic, Nobody())
            watched[name] = self.asked(self.taps.open, tap)
        self.assertEqual(emitted, self.expected("secret", Action.PUBLISH))
        self.assertEqual(watched, self.expected("secret", Action.SUBSCRIBE))

    def test_why(self) -> None:
        """
        The console explains each refusal of a subscription.
        """
        world = self.world
        for role in ("token", "present", "reader"):
            client = world.connect(**self.credentials(role))

            def sessions(session: Session = client.session) -> list[Session]:
                return [session]

            directory = Directory(world.clock, world.hub, world.feeds, self.taps, sessions)
            diagnosis = Diagnosis(world.hub, world.feeds, world.traces, sessions, directory)
            for name in ALL[:-1]:
                topic = parseTopic(name, "p", ("p", "q"), 99)
                examined = diagnosis.examine("ann", topic)
                world.clock.advance(0)
                known = self.successResultOf(examined)
                findings = diagnosis.conclude("ann", topic, known)["findings"]
                refused = [f for f in findings if f.code in ("forbidden", "table_not_allowed")]
                self.assertEqual(
                    bool(refused), bool(self.expected(role, Action.SUBSCRIBE)[name]), (role, name)
                )


class PresenceRightsTests(PermitCase):
    """
    Tests for what clients see of presence.
    """

    def test_blind(self) -> None:
        """
        A client that may be present on a topic, but not subscribe to it, is seen there and does not
        see the others.
        """
        tap = self.world.connect(key=SECRET_KEY)
        tap.ask(type="subscribe", topic="chat/a")
        tap.ask(type="track", topic="chat/a", state={"secret": 1})
        for sync, told in ((False, []), (True, ["synced"])):
            client = self.world.connect(**self.credentials("present"))
            answers = client.ask(type="track", topic="chat/a", state={"me": 1}, sync=sync)
            self.assertEqual([answer["type"] for answer in answers], told)
            self.assertEqual([f["event"] for f in tap.take()], ["presence:join"])
            client.close()
            tap.take()

    def test_unknownTable(self) -> None:
        """
        No client can be present on a table that does not exist, and the attempt leaves nothing
        behind.
        """
        self.world.feeds.allowed = Patterns(["*"])
        client = self.world.connect(key=SECRET_KEY)
        (error,) = client.ask(type="track", topic="nowhere", state={})
        self.assertEqual((error["code"], error["request"]), ("unknown_table", "track"))
        self.assertEqual(list(self.world.hub.presence.rosters.topics()), [])
        client.ask(type="track", topic="open", state={})
        self.assertEqual(self.world.tracker.watched, {})

    def test_whileAsked(self) -> None:
        """
        While the database is asked whether the table exists, the last command of a client counts.
        """
        client = self.world.connect(**self.credentials("token"))
        presence = self.world.hub.presence.rosters
        for frames, states in (
            (
                [{"type": "track", "state": {"n": 1}}, {"type": "track", "state": {"n": 2}}],
                ['{"n":2}'],
            ),
            ([{"type": "untrack"}], []),
            ([{"type": "track", "state": {}}, {"type": "untrack"}], []),
        ):
            self.world.tracker.asked = asked = []
            for frame in frames:
                client.send(topic="members", **frame)
            for fire in asked:
                fire()
            found = [member.state.decode() for member in presence.members("table/members/p")]
            self.assertEqual(found, states)
        client.send(type="track", topic="members", state={})
        client.send(type="auth", token=jwt.encode({"sub": "ann", "topics": {}}, TOKEN_SECRET))
        asked.pop()()
        self.assertEqual([f["code"] for f in client.take() if f["type"] == "error"], ["forbidden"])
        client.send(type="track", topic="members", state={})
        client.die()
        self.assertEqual(self.world.tracker.watched, {})
