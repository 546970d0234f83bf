"""
Tests for L{aerostack.streams.following}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from aerostack.core.access.permissions import Action, Identity, Role
from aerostack.core.answers.growth import Grown
from aerostack.core.topics.patterns import Patterns
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.streams.following import Following, Watch, Watches, messageIdOf
from tests.streams.watching import CANONICAL, StreamCase

PUBLIC = Identity("p", Role.PUBLIC)


class FollowingTests(StreamCase):
    """
    Tests for L{Watches}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.changes = 0
        self.watches = Watches(self.world.hub, self.world.context.streams, self.world.feeds.permit)

    def changed(self) -> None:
        self.changes += 1

    def open(self, stream: str = "a1", place: str = "") -> Watch:
        """
        Watch a stream.
        """
        opening = self.watches.open(PUBLIC, stream, self.changed, place)
        return self.successResultOf(Deferred.fromCoroutine(opening))

    def join(self) -> Following:
        """
        Follow what comes on the topic.
        """
        joining = self.watches.join(PUBLIC, topicOf(CANONICAL), self.changed)
        return self.successResultOf(Deferred.fromCoroutine(joining))

    def text(self, watch: Watch) -> str:
        """
        Take everything.
        """
        return "".join(each.text for each in watch.take(1000) if isinstance(each, Grown))

    def subscribers(self) -> int:
        """
        How many subscribers the topic has.
        """
        return len(self.world.hub.registry.subscribers(CANONICAL))

    def test_running(self) -> None:
        """
        A stream that runs is followed from its beginning to its end, which says what watchers get.
        """
        self.start(meta={"n": 1})
        self.append("Hel")
        self.world.advance(1)
        watch = self.open()
        self.assertEqual(watch.head["meta"], {"n": 1})
        self.assertEqual((self.text(watch), watch.end), ("Hel", None))
        before = self.changes
        self.append("lo")
        self.world.advance(1)
        self.assertGreater(self.changes, before)
        self.producer.send(
            type="stream_end", stream="a1", epoch=1, state="done", usage={"total_tokens": 2}
        )
        self.world.advance(1)
        # The end comes behind the text.
        self.assertIsNone(watch.end)
        self.assertEqual(self.text(watch), "lo")
        end: Any = watch.end
        self.assertEqual((end.state, end.reason), ("done", None))
        self.assertEqual((end.data["usage"], end.data["kept"]), ({"total_tokens": 2}, True))
        watch.leave()
        watch.leave()
        self.assertEqual(self.subscribers(), 1)

    def test_late(self) -> None:
        """
        A watcher who comes when there is text counts as late, once, with the bytes that it takes at
        its beginning; one who comes before, who comes back or who takes nothing does not.
        """
        joins = self.world.hub.joins
        self.start()
        early = self.open()
        self.text(early)
        self.append("字" * 2000)
        value = {"name": "n", "value": 1}
        self.producer.send(
            type="stream_put", stream="a1", epoch=1, part="d", kind="data", value=value
        )
        self.world.advance(1)
        self.text(early)
        self.open()
        self.assertEqual((joins.count, joins.size), (0, 0))
        late = self.open()
        self.text(late)
        self.text(late)
        self.assertEqual(joins.count, 1)
        self.assertEqual(joins.size, 6000 + len('{"id":"d","name":"n","value":1}'))
        before = joins.size
        self.append("more")
        self.world.advance(1)
        self.text(late)
        self.text(self.open(place=late.place))
        self.assertEqual((joins.count, joins.size), (1, before))

    def test_places(self) -> None:
        """
        A watcher that comes back with its place gets the rest.
        """
        self.start()
        self.append("Hel")
        self.world.advance(1)
        watch = self.open()
        self.text(watch)
        place = watch.place
        watch.leave()
        self.append("lo")
        self.world.advance(1)
        self.assertEqual(self.text(self.open(place=place)), "lo")

    def test_takenBack(self) -> None:
        """
        A watcher begins again if text was taken back that it has, also when it comes back with a
        place from before.
        """
        self.start()
        self.append("Hello wrold")
        self.world.advance(1)
        watch = self.open()
        self.text(watch)
        before = watch.place
        self.takeBack(7, "orld", 1)
        self.world.advance(1)
        self.assertIsNone(watch.end)
        self.assertEqual((self.text(watch), watch.restarts), ("Hello world", 1))
        place = watch.place
        self.assertEqual(place, "11~1")
        self.append("!", edition=1)
        self.world.advance(1)
        self.assertEqual((self.text(watch), watch.restarts), ("!", 1))
        for given, text, isNew in ((before, "Hello world!", True), (place, "!", False)):
            again = self.open(place=given)
            self.assertEqual((self.text(again), again.isNew), (text, isNew), given)
        self.end()
        self.world.advance(1)
        for given, text, isNew in ((before, "Hello world!", True), (place, "!", False)):
            past = self.open(place=given)
            self.assertEqual((self.text(past), past.isNew, past.place), (text, isNew, "12~1"))

    def test_past(self) -> None:
        """
        A stream that has ended a while ago is whole at once.
        """
        self.start()
        self.append("Hello")
        self.producer.send(type="stream_end", stream="a1", epoch=1, state="failed", error="No.")
        self.world.advance(1)
        watch = self.open()
        self.assertEqual(self.subscribers(), 1)
        self.assertEqual(self.text(watch), "Hello")
        end: Any = watch.end
        self.assertEqual((end.state, end.reason), ("failed", "No."))
        self.assertEqual(self.text(self.open(place="3")), "lo")

    def test_longPast(self) -> None:
        """
        A stream that has ended long ago comes from the history, also after a restart, for those
        who may subscribe to its topic.
        """
        self.start(owner="ann", meta={"messageId": "m1"})
        self.append("Hm", part="r", kind="reasoning")
        self.append("Hello")
        self.end(state="failed", error="No.", usage={"tokens": 2})
        self.wait(400)
        denied = Identity("p", Role.TOKEN, "bob", allowed=dict.fromkeys(Action, Patterns(())))
        for watches in (self.watches, None):
            if watches is None:
                self.world.restart()
                world = self.world
                self.watches = Watches(world.hub, world.context.streams, world.feeds.permit)
            watch = self.open()
            head = {"id": "a1", "owner": "ann", "meta": {"messageId": "m1"}}
            self.assertEqual(watch.head, head)
            self.assertEqual((self.text(watch), messageIdOf(watch)), ("HmHello", "m1"))
            end: Any = watch.end
            self.assertEqual((end.state, end.reason), ("failed", "No."))
            self.assertEqual(end.data["usage"], {"tokens": 2})
            opening = Deferred.fromCoroutine(self.watches.open(denied, "a1", self.changed))
            error = self.failureResultOf(opening, RealtimeError).value
            self.assertEqual(error.code, "forbidden")
            # Its place in each part.
            self.assertEqual(self.text(self.open(place="1.3")), "mlo")

    def test_unknown(self) -> None:
        """
        A stream that never was, or of another project, is unknown; nothing stays subscribed.
        """
        self.start()
        for identity in (PUBLIC, Identity("q", Role.PUBLIC)):
            opening = self.watches.open(identity, "a2", self.changed)
            error = self.failureResultOf(Deferred.fromCoroutine(opening), RealtimeError).value
            self.assertEqual(error.code, "stream_unknown")
        self.assertEqual(self.subscribers(), 1)

    def test_cancelled(self) -> None:
        """
        A watcher that is behind gets no text of a stream that was cancelled meanwhile.
        """
        self.start()
        self.append("Hello")
        self.world.advance(1)
        watch = self.open()
        self.world.streams.cancel("p", "a1", "ann")
        self.world.advance(1)
        self.assertEqual(self.text(watch), "")
        end: Any = watch.end
        self.assertEqual((end.state, end.data["by"]), ("cancelled", "ann"))

    def test_emitted(self) -> None:
        """
        A stream of emitted events ends, whatever its server says at the end; other events that name
        the end are nothing.
        """
        following = self.join()
        topic = topicOf(CANONICAL)
        publisher = self.world.hub.publisher
        publisher.publish(topic, "ai:token", b'{"token":"Hi"}', None, False)
        self.world.advance(1)
        following.followLast()
        self.assertEqual(self.text(following), "Hi")
        publisher.publish(topic, "note", b'["ai:done"]', None, False)
        self.world.advance(1)
        self.assertIsNone(following.end)
        for data in (b'["ai:done"]', b"null"):
            publisher.publish(topic, "ai:done", data, None, False)
        self.world.advance(1)
        end: Any = following.end
        self.assertEqual((end.state, end.reason), ("done", None))

    def test_aboutToBegin(self) -> None:
        """
        A watcher who is there before the stream gets it from its first token.
        """
        following = self.join()
        following.followLast()
        self.assertFalse(following.isHere)
        following.follow("a1")
        self.assertEqual((following.take(10), following.end, following.place), ([], None, ""))
        self.start()
        self.append("Hi")
        self.world.advance(1)
        self.assertTrue(following.isHere)
        self.assertEqual(self.text(following), "Hi")

    def test_last(self) -> None:
        """
        Of several streams of a topic, the one that has begun last is followed.
        """
        self.start("a1")
        self.start("a2")
        following = self.join()
        following.followLast()
        self.assertEqual(following.stream, "a2")

    def test_forgotten(self) -> None:
        """
        A watcher that reads nothing until the text is gone gets an error, not half of it as all.
        """
        self.start()
        self.append("Hello")
        self.world.advance(1)
        watch = self.open()
        self.producer.send(type="stream_end", stream="a1", epoch=1, state="done")
        self.wait(400)
        error = self.assertRaises(RealtimeError, watch.take, 10)
        self.assertEqual((error.code, watch.end), ("stream_unknown", None))
