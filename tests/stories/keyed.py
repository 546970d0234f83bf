"""
A world with a keyed topic, for tests of keyed state.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.topics.policies import KeyedPolicy, TopicPolicies, TopicPolicy
from aerostack.testing import (
    Frame,
    MemoryClient,
    World,
)

TOPIC = "state/a"
CANONICAL = f"{TOPIC}/p"


def makeRules(count: int = 1000, **keyed: Any) -> TopicPolicies:
    """
    Policies by which topics under C{state/} are keyed.

    @param count: How many entries logs hold.
    """
    depth = Depth(count, 1_000_000, 300.0)
    policy = TopicPolicy(depth, keyed=KeyedPolicy(**keyed))
    return TopicPolicies([("state/*", policy)], TopicPolicy(depth))


class Copy:
    """
    What a client has of the topic.

    @ivar values: By key.
    @ivar seen: The positions of the frames since the subscription began.
    @ivar isReady: Whether all values have come that were there before.
    @ivar last: The last position.
    @ivar current: The keys of the frames that came with C{current}.
    @ivar answers: The answers to its subscriptions.
    @ivar repeated: The positions that came twice in one subscription.
    @ivar log: All events.
    @ivar isThere: Whether it is connected.
    """

    def __init__(self, client: MemoryClient) -> None:
        client.positions = True
        self.client = client
        self.values: dict[str, Any] = {}
        self.seen: list[str] = []
        self.isReady = False
        self.last: str | None = None
        self.current: list[str] = []
        self.answers: list[Frame] = []
        self.repeated: list[str] = []
        self.log: list[Frame] = []
        self.isThere = True

    def subscribe(self, since: str | None = None) -> None:
        """
        Subscribe.
        """
        asked = {} if since is None else {"since": since}
        self.client.send(type="subscribe", topic=TOPIC, **asked)

    def take(self) -> Copy:
        """
        Handle the frames that came.
        """
        for frame in self.client.take():
            if frame["type"] == "subscribed":
                self.answers.append(frame)
                self.seen, self.current = [], []
                self.isReady = "pos" in frame
                if not frame.get("recovered"):
                    self.values = {}
            elif frame["type"] == "event":
                self._event(frame)
            self.last = frame.get("pos", self.last)
        return self

    def _event(self, frame: Frame) -> None:
        self.log.append(frame)
        if frame["pos"] in self.seen:
            self.repeated.append(frame["pos"])
        self.seen.append(frame["pos"])
        if frame.get("current"):
            self.current.append(frame["key"])
            self.isReady = not frame.get("more")
        self.values.pop(frame["key"], None)
        if frame["data"] is not None:
            self.values[frame["key"]] = frame["data"]


class KeyedCase(SynchronousTestCase):
    """
    A world with a keyed topic and a publisher.
    """

    def setUp(self) -> None:
        self.begin()

    def begin(self, **rules: Any) -> None:
        """
        Begin anew.

        @param rules: Those of L{makeRules}.
        """
        self.world = World(rules=makeRules(**rules))
        self.publisher = self.world.connect(userId="ann")
        self.publisher.positions = True

    def put(self, key: str | None, data: Any, **fields: Any) -> Frame:
        """
        Publish a value.

        @return: The answer that the publisher gets.
        """
        named = {} if key is None else {"key": key}
        frame = {"type": "publish", "topic": TOPIC, "event": "set", "id": 1, "data": data}
        [answer] = self.publisher.ask(**{**frame, **named, **fields})
        return answer

    def refusal(self, *args: Any, **fields: Any) -> tuple[str, str]:
        """
        Publish a value, which is refused.

        @return: The code and the message.
        """
        answer = self.put(*args, **fields)
        self.assertEqual((answer["type"], answer.get("id")), ("error", 1))
        return answer["code"], answer["message"]

    def newcomer(self) -> Copy:
        """
        A client that has just subscribed.
        """
        copy = Copy(self.world.connect())
        copy.subscribe()
        return copy.take()

    def posOf(self, key: str) -> str:
        """
        The position of a key's value.
        """
        value = self.world.backbone.states.find(CANONICAL, key)
        assert value is not None
        return str(value.place)
