"""
Tests for L{aerostack.client.aio.state}.
"""

from __future__ import annotations

from typing import Any

from aerostack.client.aio.state import Answer
from aerostack.testing.aio import AsyncWorld
from tests.client.aio.loops import LoopTestCase, until
from tests.stories.keyed import makeRules


class PresenceTests(LoopTestCase):
    """
    Tests for L{aerostack.client.aio.state.Presence}.
    """

    def test_members(self) -> None:
        """
        The members are known, and handlers hear of changes.
        """
        sets: list[Any] = []

        async def story() -> None:
            async with (
                AsyncWorld() as daemon,
                daemon.client(userId="ann") as ann,
                daemon.client(userId="bob") as bob,
            ):
                topic = ann.channel("doc/1")
                topic.presence.onChange(lambda members: sets.append(len(members)))
                await topic.subscribe()
                topic.track({"x": 1})
                await until(lambda: topic.presence.members)
                (member,) = await topic.presence.known()
                self.assertEqual((member["userId"], member["state"]), ("ann", {"x": 1}))
                bob.channel("doc/1").track({})
                await until(lambda: len(topic.presence.members) == 2)
                bob.channel("doc/1").untrack()
                await until(lambda: len(topic.presence.members) == 1)

        self.run_(story())
        self.assertEqual(sets[-3:], [1, 2, 1])


class SharedStateTests(LoopTestCase):
    """
    Tests for L{aerostack.client.aio.state.SharedState}.
    """

    def test_values(self) -> None:
        """
        Values are set, updated and removed, and a condition that does not hold raises.
        """

        async def story() -> None:
            rules = makeRules(count=20, ttl=1000.0)
            async with AsyncWorld(rules=rules) as daemon, daemon.client() as client:
                board = client.channel("state/a")
                await board.subscribe()
                self.assertEqual(await board.sharedState.known(), {})
                await board.sharedState.set("a", 1)
                error = await self.refusal(board.sharedState.set("a", 2, ifNew=True))
                self.assertEqual((error.code, error.details["data"]), ("stale", 1))
                self.assertEqual(await board.sharedState.update("a", lambda n: n + 1), 2)
                await until(lambda: board.sharedState.values == {"a": 2})
                await board.sharedState.delete("a")
                await until(lambda: not board.sharedState.values)

        self.run_(story())


class AnswersTests(LoopTestCase):
    """
    Tests for L{aerostack.client.aio.state.Answers}.
    """

    def test_answer(self) -> None:
        """
        An answer grows, and can be cancelled by the user for whom it is.
        """
        states: list[tuple[str, str]] = []

        def grown(answer: Answer) -> None:
            states.append((answer.text, answer.state))

        async def story() -> None:
            async with (
                AsyncWorld() as daemon,
                daemon.client(userId="ann") as client,
                daemon.sdk() as sdk,
            ):
                chat = client.channel("ai-chat/1")
                chat.answers.onChange(grown)
                await chat.subscribe()
                async with sdk.ai.stream("ai-chat/1", owner="ann") as stream:
                    await stream.write("hello")
                    await until(lambda: ("hello", "streaming") in states)
                    answer = chat.answers.get(stream.id)
                    assert answer is not None
                    await answer.cancel()
                    await until(lambda: ("hello", "cancelled") in states)
                    error = await self.refusal(stream.end())
                    self.assertEqual(error.code, "stream_ended")
                newest = chat.answers.newest
                assert newest is not None
                self.assertEqual((newest.id, len(chat.answers.list)), (stream.id, 1))

        self.run_(story())
