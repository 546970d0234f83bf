"""
A producer and watchers of token streams in a L{World}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.units import after, units
from aerostack.core.topics.policies import TopicPolicies
from aerostack.testing import SECRET_KEY, MemoryClient, World

TOPIC = "ai-chat/7"
CANONICAL = "ai-chat/7/p"


class Watcher:
    """
    A client that puts the texts of streams together.

    @ivar texts: By stream and part, the text by C{at} and C{reset}.
    @ivar plain: By stream, all tokens of C{ai:token} one behind the other, as a client has them
        that knows nothing of places.
    @ivar events: The name of each event that came.
    @ivar ends: The data of each C{ai:done}, by stream.
    @ivar position: The last position that came.
    """

    def __init__(self, client: MemoryClient) -> None:
        client.positions = True
        self.client = client
        self.texts: dict[tuple[str, str], str] = {}
        self.plain: dict[str, str] = {}
        self.events: list[str] = []
        self.ends: dict[str, Any] = {}
        self.position: str | None = None

    def subscribe(self, since: str | None = None) -> list[dict[str, Any]]:
        """
        Subscribe to the topic.

        @return: The frames that came.
        """
        self.client.send(type="subscribe", topic=TOPIC, since=since)
        return self.take()

    def take(self, count: int | None = None) -> list[dict[str, Any]]:
        """
        Handle the frames that came.

        @param count: How many of them; L{None} for all.
        @return: These frames.
        """
        frames = self.client.take()[:count]
        for frame in frames:
            self._handle(frame)
        return frames

    def _handle(self, frame: dict[str, Any]) -> None:
        self.position = frame.get("pos", self.position)
        if frame["type"] != "event":
            return
        self.events.append(frame["event"])
        if frame["event"] == "ai:done":
            self.ends[frame.get("stream")] = frame["data"]
        if "at" not in frame:
            return
        token = frame["data"].get("token", frame["data"].get("args"))
        key = frame["stream"], frame["part"]
        text = self.texts.get(key, "")
        if frame["event"] == "ai:token":
            self.plain[frame["stream"]] = self.plain.get(frame["stream"], "") + token
        if frame.get("reset"):
            text = text.encode("utf-16-le")[: 2 * frame["at"]].decode("utf-16-le")
            self.texts[key] = text + token
            return
        if frame["at"] > units(text):
            raise AssertionError(f"a hole before {frame}")
        rest = after(token, units(text) - frame["at"])
        self.texts[key] = text + (rest or "")


class StreamCase(SynchronousTestCase):
    """
    A world with a producer and a watcher who is there from the beginning.

    @ivar rules: How deep the logs of topics are; L{None} for as deep as usual.
    """

    rules: TopicPolicies | None = None

    def setUp(self) -> None:
        self.world = World(rules=self.rules)
        self.producer = self.world.connect(key=SECRET_KEY)
        self.early = Watcher(self.world.connect(userId="early"))
        self.early.subscribe()
        self.sent: dict[str, int] = {}

    def wait(self, seconds: float) -> None:
        """
        Let time pass, while the clients answer pings.
        """
        while seconds > 0:
            self.producer.session.heard()
            self.early.client.session.heard()
            self.world.advance(min(5.0, seconds))
            seconds -= 5.0

    def start(self, stream: str = "a1", **fields: Any) -> dict[str, Any]:
        """
        Begin a stream.

        @return: The answer.
        """
        self.producer.send(type="stream_start", topic=TOPIC, stream=stream, **fields)
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """
        The last frame that came to the producer.
        """
        frame: dict[str, Any] = self.producer.take()[-1]
        return frame

    def append(self, text: str, stream: str = "a1", **fields: Any) -> None:
        """
        Let a part grow.
        """
        part = fields.setdefault("part", "0")
        at = fields.setdefault("at", self.sent.get(f"{stream} {part}", 0))
        self.sent[f"{stream} {part}"] = at + units(text)
        fields.setdefault("epoch", 1)
        self.producer.send(type="stream_append", stream=stream, text=text, **fields)

    def takeBack(self, at: int, text: str, edition: int, stream: str = "a1", **fields: Any) -> None:
        """
        Let a text take the place of what is behind C{at}.
        """
        self.sent[f"{stream} {fields.get('part', '0')}"] = at
        self.append(text, stream, edition=edition, **fields)

    def refused(self, text: str, **fields: Any) -> dict[str, Any]:
        """
        Let a part grow, and give the error.
        """
        self.append(text, id="n", **fields)
        return self.answer()

    def end(self, stream: str = "a1", **fields: Any) -> dict[str, Any]:
        """
        End a stream.

        @return: The answer.
        """
        fields.setdefault("epoch", 1)
        self.producer.send(type="stream_end", stream=stream, **fields)
        return self.answer()

    def join(self) -> Watcher:
        """
        A watcher who comes now.
        """
        watcher = Watcher(self.world.connect(userId="late"))
        watcher.subscribe()
        return watcher
