"""
Tests for L{aerostack.sessions.producing}, as far as they are about sessions.
"""

from __future__ import annotations

import jwt
from twisted.trial.unittest import SynchronousTestCase

from aerostack.settings.projects import JWTConfig
from aerostack.testing import TOKEN_SECRET, World, makeProject
from tests.answers import codes


class RightsTests(SynchronousTestCase):
    """
    Tests for a client that produces with a token.
    """

    def setUp(self) -> None:
        project = makeProject(jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET))
        self.world = World({"p": project})
        self.client = self.world.connect(token=self.token("ai/*"))

    def token(self, *patterns: str) -> str:
        """
        A token that allows to produce on some topics.
        """
        claims = {
            "sub": "ann",
            "projectId": "p",
            "exp": self.world.wall() + 3600,
            "topics": {"subscribe": ["**"], "stream": list(patterns)},
        }
        return jwt.encode(claims, TOKEN_SECRET, "HS256")

    def start(self, topic: str) -> str:
        """
        Begin a stream, and give the type or the code of the answer.
        """
        answer = self.client.ask(type="stream_start", topic=topic, stream="a1")[-1]
        return str(answer.get("code", answer["type"]))

    def append(self) -> list[str]:
        """
        Let the stream grow, and give the errors.
        """
        frame = {"type": "stream_append", "stream": "a1", "epoch": 1, "part": "0", "at": 0}
        return codes(self.client.ask(**frame, text="x"))

    def test_claim(self) -> None:
        """
        A token allows to produce on the topics of its claim.
        """
        self.assertEqual(self.start("chat/1"), "forbidden")
        self.assertEqual(self.start("ai/1"), "stream_ack")
        self.assertEqual(self.append(), [])

    def test_withdrawn(self) -> None:
        """
        A client that goes on under a token which does not name the topic is told, can send no more
        of the stream, and the stream ends unless another producer takes it.
        """
        self.start("ai/1")
        frames = self.client.ask(type="auth", token=self.token("ai/1"))
        self.assertEqual((codes(frames), self.append()), ([], []))
        frames = self.client.ask(type="auth", token=self.token("chat/*"))
        self.assertEqual([(f["code"], f["topic"]) for f in frames], [("forbidden", "ai/1/p")])
        self.assertEqual(self.append(), ["stream_unknown"])
        self.world.advance(12)
        self.assertEqual(list(self.world.backbone.sequencer.answers), [])

    def test_bounded(self) -> None:
        """
        An id that is too long is refused, as in other frames.
        """
        frame = {"type": "stream_start", "topic": "ai/1", "id": "x" * 129}
        self.assertEqual(codes(self.client.ask(**frame)), ["invalid_frame"])

    def test_cancelRefused(self) -> None:
        """
        A client that may not cancel a stream is told which one, and on which topic.
        """
        self.start("ai/1")
        for named in ("ai/1", "ai/1/p", None):
            frame = {"type": "stream_cancel", "stream": "a1", "topic": named, "id": "c"}
            (error,) = self.client.ask(**frame)
            self.assertEqual(
                (error["code"], error["stream"], error["id"]), ("forbidden", "a1", "c")
            )
            self.assertEqual(error.get("topic"), named and "ai/1/p")
