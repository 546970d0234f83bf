"""
Tests for what a client and a daemon in memory come to after anything that happens.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.errors import ClientError
from aerostack.testing import World
from tests.client.worlds import AWAY


class StoryTests(SynchronousTestCase):
    """
    Whatever the application does, and whatever happens to the network, in the end the daemon has
    what the application wants, and no event was lost or doubled.
    """

    TOPICS = ("chat/a", "orders")

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("subscribe"), st.sampled_from(TOPICS)),
                st.tuples(st.just("unsubscribe"), st.sampled_from(TOPICS)),
                st.tuples(st.just("track"), st.sampled_from(TOPICS)),
                st.tuples(st.just("untrack"), st.sampled_from(TOPICS)),
                st.tuples(st.just("publish"), st.booleans()),
                st.tuples(st.just("emit"), st.booleans()),
                st.tuples(st.just("cut"), st.none()),
                st.tuples(st.just("restart"), st.none()),
                st.tuples(st.just("unreachable"), st.none()),
                st.tuples(st.just("reachable"), st.none()),
                st.tuples(st.just("wait"), st.sampled_from([0, 1, 5])),
                st.tuples(st.just("step"), st.integers(1, 3)),
            ),
            max_size=40,
        )
    )
    def test_story(self, story: list[tuple[str, Any]]) -> None:
        """
        A random story ends as the class says.
        """
        world = World()
        client, watcher = world.realtime(userId="ann"), world.realtime(userId="eve")
        got: list[Any] = []
        watcher.channel("chat/a").on("e", lambda frame: got.append(frame["data"])).subscribe()
        seen: list[Any] = []
        client.startService()
        watcher.startService()
        world.turn()
        channels = {topic: client.channel(topic) for topic in self.TOPICS}
        present: dict[str, Any] = dict.fromkeys(self.TOPICS)
        wanted = dict.fromkeys(self.TOPICS, False)
        published: list[Deferred[None]] = []
        # What is not kept does not outlive a restart.
        keep = ("restart", None) in story
        count = 0

        def step(action: str, what: Any) -> None:
            nonlocal count
            count += 1
            if action == "subscribe":
                wanted[what] = True
                channels[what].off("e").on("e", lambda frame: seen.append(frame["data"]))
                channels[what].subscribe().addErrback(lambda failure: failure.trap(ClientError))
            elif action == "unsubscribe":
                wanted[what] = False
                channels[what].unsubscribe()
            elif action == "track":
                present[what] = {"n": count}
                channels[what].track(present[what])
            elif action == "untrack":
                present[what] = None
                channels[what].untrack()
            elif action == "publish":
                published.append(channels["chat/a"].publish("e", count, what or keep))
            elif action == "emit":
                world.sdk().socket.emit("e", count, "chat/a", persist=what or keep)
            elif action in ("cut", "restart"):
                world.cut()
                if action == "restart":
                    world.restart()
            elif action == "wait":
                world.advance(what)
            elif action == "step":
                for _ in range(what):
                    world.step()
            else:
                world.reachable = action == "reachable"

        for action, what in story:
            step(action, what)
        world.reachable = True
        world.advance(AWAY)

        for each in published:
            self.successResultOf(each)
        for topic in self.TOPICS:
            canonical = "chat/a/p" if topic == "chat/a" else "table/orders/p"
            subscribers = len(world.hub.registry.subscribers(canonical))
            self.assertEqual(subscribers, wanted[topic] + (topic == "chat/a"), topic)
            self.assertEqual(channels[topic].isSubscribed, wanted[topic])
            states = [m.state for m in world.hub.presence.rosters.members(canonical)]
            self.assertEqual(len(states), present[topic] is not None)
        # The watcher was subscribed all the time: everything, once.  The order of what was
        # published is that in which the daemon got it, which is the order here.
        sent = [n for n, (action, _) in enumerate(story, 1) if action in ("publish", "emit")]
        self.assertEqual(sorted(got), sent)
        self.assertEqual(len(seen), len(set(seen)))
        mine = [n for n, (action, _) in enumerate(story, 1) if action == "publish"]
        self.assertEqual([n for n in got if n in mine], mine)
        for each in (client, watcher):
            each.stopService()
        world.advance(1)
        self.assertEqual(world.clock.getDelayedCalls(), [])
