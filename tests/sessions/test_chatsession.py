"""
Tests for L{aerostack.sessions.chatsession} and L{aerostack.sessions.chats}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.auth.authenticator import Credentials
from aerostack.core.access.permissions import Action, Identity
from aerostack.core.answers.growth import TEXT, Grown
from aerostack.core.answers.outcome import Outcome
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.sessions.chats import Chats
from aerostack.sessions.chatsession import MOST, ChatSession
from aerostack.streams.following import Watches
from aerostack.streams.relaying import Relays
from aerostack.testing import SECRET_KEY, MemoryConnection, World
from tests.streams.models import Model

CANONICAL = "ai-chat/c1/p"


class Client:
    """
    A client of the AI SDK.
    """

    def __init__(self, world: World, chats: Chats) -> None:
        self.connection = MemoryConnection(world.newConnectionId())
        identity = world.authenticator.identify(Credentials(projectId="p"), world.wall())
        self.session = ChatSession(self.connection, identity, world.context, chats)

    def send(self, **fields: Any) -> None:
        """
        Send a frame.
        """
        self.session.received(json.dumps(fields).encode(), False)

    def ask(self, requestId: str = "r1", question: str = "m1", **fields: Any) -> None:
        """
        Ask in the chat.
        """
        message = {"id": question, "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
        frame = {"id": "c1", "messages": [message], "trigger": "submit-message", **fields}
        self.send(type="send", requestId=requestId, **frame)

    def take(self) -> list[dict[str, Any]]:
        """
        The frames that came.
        """
        frames, self.connection.frames = self.connection.frames, []
        return frames


def brief(frames: list[dict[str, Any]]) -> list[Any]:
    """
    The types of frames; of a chunk its number, its type and its text.
    """
    return [
        (frame["sequence"], frame["chunk"]["type"], frame["chunk"].get("delta"))
        if frame["type"] == "chunk"
        else frame["type"]
        for frame in frames
    ]


class ChatSessionTests(SynchronousTestCase):
    """
    Tests for L{ChatSession}.
    """

    def setUp(self) -> None:
        self.world = world = World()
        self.model = Model()
        model: Any = self.model
        ids = iter(range(1000))

        def newId() -> str:
            return f"n{next(ids)}"

        permit = world.feeds.permit
        self.chats = Chats(
            world.streams,
            Watches(world.hub, world.streams, permit),
            Relays(world.clock, world.streams, newId),
            model,
            world.rpc.parse,
            permit,
            newId,
        )
        self.client = Client(world, self.chats)

    def say(self, text: str) -> None:
        """
        Let the model say something, and everything arrive.
        """
        self.model.grow(Grown("0", TEXT, text))
        self.world.advance(1)

    def subscribers(self) -> int:
        """
        How many subscribers the chat's topic has.
        """
        return len(self.world.hub.registry.subscribers(CANONICAL))

    def test_asked(self) -> None:
        """
        An answer is numbered chunks, from 0, and an end.
        """
        self.client.ask()
        self.say("Hel")
        self.say("lo")
        self.model.receiver.ended(Outcome())
        self.world.advance(1)
        self.assertEqual(
            brief(self.client.take()),
            [
                "start",
                (0, "start", None),
                (1, "start-step", None),
                (2, "text-start", None),
                (3, "text-delta", "Hel"),
                (4, "text-delta", "lo"),
                (5, "text-end", None),
                (6, "finish-step", None),
                (7, "finish", None),
                "end",
            ],
        )
        self.assertEqual(self.subscribers(), 0)

    def test_resumed(self) -> None:
        """
        A second client gets the answer from its beginning, under the same id; without an answer it
        gets C{no-active}.
        """
        other = Client(self.world, self.chats)
        other.send(type="resume", requestId="r9", id="c1", headers={}, body={})
        self.assertEqual(brief(other.take()), ["no-active"])
        self.client.ask()
        self.say("Hello")
        other.send(type="resume", requestId="r9", id="c1")
        frames = other.take()
        self.assertEqual(brief(frames)[-1], (3, "text-delta", "Hello"))
        first = self.client.take()[1]["chunk"]["messageId"]
        self.assertEqual(frames[1]["chunk"]["messageId"], first)

    def test_goesOn(self) -> None:
        """
        An answer behind the outcome of a tool goes on with the message that called it.
        """
        question = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
        called = {
            "type": "tool-weather",
            "toolCallId": "c1",
            "state": "output-available",
            "input": {},
            "output": "sunny",
        }
        answer = {"id": "m2", "role": "assistant", "parts": [called]}
        self.client.ask(messages=[question, answer])
        self.say("It is sunny.")
        other = Client(self.world, self.chats)
        other.send(type="resume", requestId="r9", id="c1")
        for client in (self.client, other):
            self.assertEqual(client.take()[1]["chunk"]["messageId"], "m2")

    def test_aborted(self) -> None:
        """
        A client that wants no more of an answer gets no more; the answer goes on.
        """
        self.client.ask()
        self.say("Hel")
        self.client.take()
        for _ in range(2):
            self.client.send(type="abort", requestId="r1")
        self.assertEqual(self.subscribers(), 0)
        self.say("lo")
        self.assertEqual((self.client.take(), self.model.cancelled), ([], 0))
        self.client.send(type="resume", requestId="r2", id="c1")
        self.assertEqual(brief(self.client.take())[-1], (3, "text-delta", "Hello"))

    def test_gone(self) -> None:
        """
        A client that is gone leaves nothing behind, and ends nothing.
        """
        self.client.ask()
        self.say("Hel")
        self.client.session.closed(False)
        self.assertEqual((self.subscribers(), self.model.cancelled), (0, 0))
        self.say("lo")

    def test_slow(self) -> None:
        """
        Nothing waits for a client that does not read; when it does, one chunk brings it up to date.
        """
        self.client.ask()
        self.say("a")
        self.client.take()
        self.client.session.congested()
        for _ in range(50):
            self.client.session.heard()
            self.say("b")
        self.assertEqual(self.client.take(), [])
        self.client.session.drained()
        self.assertEqual(brief(self.client.take()), [(4, "text-delta", "b" * 50)])

    def test_takenBack(self) -> None:
        """
        If a server that has taken the answer over takes text back, the message begins again.
        """
        self.client.ask()
        self.say("Hello wrold")
        self.client.take()
        (stream,) = (answer.id for answer in self.world.hub.sequencer.answers)
        server = self.world.connect(key=SECRET_KEY)
        server.send(type="stream_start", topic="ai-chat/c1", stream=stream, takeover=True)
        server.send(
            type="stream_append",
            stream=stream,
            epoch=2,
            part="0",
            at=7,
            text="orld",
            edition=1,
        )
        self.world.advance(1)
        self.assertEqual(
            [each[1:] for each in brief(self.client.take())],
            [("reset-step", None), ("text-start", None), ("text-delta", "Hello world")],
        )

    def test_busy(self) -> None:
        """
        While an answer goes on, another question is refused; the same one gets that answer, and the
        model is asked once.
        """
        self.client.ask()
        self.client.ask("r2", "m2")
        self.client.ask("r3")
        self.say("Hello")
        frames = self.client.take()
        (error,) = (frame for frame in frames if frame["type"] == "error")
        self.assertEqual(error["requestId"], "r2")
        self.assertIn("goes on", error["errorText"])
        same = [frame for frame in frames if frame["requestId"] == "r3"]
        self.assertEqual(brief(same)[-1], (3, "text-delta", "Hello"))
        self.assertEqual((self.model.asked, self.subscribers()), (1, 2))

    def test_reauthorized(self) -> None:
        """
        A client that may not read a chat any more gets no more of it, and learns that.
        """
        self.client.ask()
        self.say("Hel")
        self.client.take()
        self.client.session.reauthorize()
        self.assertEqual(self.client.take(), [])

        def check(_: Identity, action: Action, topic: Topic) -> None:
            raise RealtimeError("forbidden", f"Not {action.value}.")

        self.patch(Identity, "check", check)
        self.client.session.reauthorize()
        (frame,) = self.client.take()
        self.assertEqual((frame["type"], frame["requestId"]), ("error", "r1"))
        self.assertIn("Not subscribe", frame["errorText"])
        self.assertEqual((self.subscribers(), self.model.cancelled), (0, 0))

    def test_refused(self) -> None:
        """
        What is refused says to which request that belongs.
        """
        self.model.isFull = True
        for fields in (
            {"body": {"model": "none"}},
            {"messages": [{"id": "m", "role": "user", "parts": []}]},
            {"id": "a\nb"},
            {},
        ):
            self.client.ask(**fields)
            (frame,) = (each for each in self.client.take() if each["type"] == "error")
            self.assertEqual(frame["requestId"], "r1")
        self.assertEqual(self.subscribers(), 0)

    def test_badFrames(self) -> None:
        """
        A frame that cannot be read is an error of the connection, which stays open.
        """
        for payload, code in (
            (b"{", "invalid_json"),
            (b'{"type":"other","requestId":"r"}', "invalid_frame"),
            (b'{"type":"send","requestId":"r"}', "invalid_frame"),
            (b'{"type":"resume","requestId":7,"id":"c"}', "invalid_frame"),
            (b'{"type":"abort","requestId":"%b"}' % (b"x" * 200), "invalid_frame"),
            (b'{"type":"abort","requestId":"r","a":' + b"[" * 70 + b"]" * 70 + b"}", "too_deep"),
        ):
            self.client.session.received(payload, False)
            (frame,) = self.client.take()
            self.assertEqual((frame["type"], frame["code"]), ("error", code))
        self.assertIsNone(self.client.connection.closing)

    def test_many(self) -> None:
        """
        A connection follows so many answers at a time, and each id stands for one.
        """
        self.client.ask()
        self.client.ask()
        self.assertEqual(self.client.take()[-1]["type"], "error")
        for number in range(MOST):
            self.client.send(type="resume", requestId=f"x{number}", id="c1")
        self.assertEqual(self.client.take()[-1]["type"], "error")
        self.assertEqual(self.subscribers(), MOST)

    def test_forgotten(self) -> None:
        """
        If the text is gone before a slow client has read it, the client gets an error, and not a
        part of it as the whole.
        """
        self.client.ask()
        self.say("Hello")
        self.client.take()
        self.client.session.congested()
        self.say(" world")
        self.model.receiver.ended(Outcome())
        for _ in range(100):
            self.client.session.heard()
            self.world.advance(5)
        self.client.session.drained()
        self.assertEqual(self.client.take()[-1]["type"], "error")
        self.assertEqual(self.subscribers(), 0)
