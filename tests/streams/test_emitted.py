"""
Tests for L{aerostack.streams.emitted}: token streams of events that servers emit.
"""

from __future__ import annotations

import json
from typing import Any

from aerostack.testing import SECRET_KEY
from tests.streams.watching import TOPIC, StreamCase


class EmittedTests(StreamCase):
    """
    Tests for C{socket.emit} of C{ai:token} and C{ai:done}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.identity = self.producer.session.identity

    def emit(self, event: str, data: Any, **options: Any) -> Any:
        """
        Emit an event on the topic, as a server does.
        """
        args = [event, data, TOPIC, *([options] if options else [])]
        body = json.dumps({"method": "socket.emit", "args": args}).encode()
        return self.successResultOf(self.world.rpc.call(self.identity, body))

    def test_untouched(self) -> None:
        """
        A watcher gets one frame for each event, with the data as the server sent it, and the place
        of the text.
        """
        for number, token in enumerate(("Hel", "lo")):
            self.emit("ai:token", {"token": token, "index": number})
        self.emit("ai:done", {"sum": 2})
        frames = self.early.take()
        self.assertEqual(
            [(f["event"], f["data"], f.get("at")) for f in frames],
            [
                ("ai:token", {"token": "Hel", "index": 0}, 0),
                ("ai:token", {"token": "lo", "index": 1}, 3),
                ("ai:done", {"sum": 2}, None),
            ],
        )
        self.assertEqual(len({f["stream"] for f in frames}), 1)
        self.assertEqual(frames[-1]["state"], "done")

    def test_many(self) -> None:
        """
        A thousand events are a thousand frames.
        """
        for number in range(1000):
            self.emit("ai:token", {"token": f"{number} "})
        self.emit("ai:done", {})
        self.assertEqual(len(self.early.take()), 1001)

    def test_lateJoin(self) -> None:
        """
        A client that subscribes meanwhile gets the text.
        """
        self.emit("ai:token", {"token": "Hel"})
        late = self.join()
        self.emit("ai:token", {"token": "lo"})
        late.take()
        self.assertEqual(list(late.plain.values()), ["Hello"])

    def test_slow(self) -> None:
        """
        A client that reads slowly gets the text in one frame.
        """
        self.emit("ai:token", {"token": "a"})
        session = self.early.client.session
        session.congested()
        for _ in range(100):
            self.emit("ai:token", {"token": "b"})
        self.world.turn()
        session.drained()
        self.assertEqual(len(self.early.take()), 2)
        self.assertEqual(list(self.early.plain.values()), ["a" + "b" * 100])

    def test_resumed(self) -> None:
        """
        A client that comes back gets what it missed as the server sent it.
        """
        self.emit("ai:token", {"token": "a", "index": 0})
        self.early.take()
        self.emit("ai:token", {"token": "b", "index": 1})
        self.early.client.die()
        self.early.client = self.world.connect(userId="early")
        frames = self.early.subscribe(self.early.position)
        self.assertEqual([f["data"] for f in frames[1:]], [{"token": "b", "index": 1}])

    def test_kept(self) -> None:
        """
        The history keeps the text if C{ai:done} is to be kept, with what the server said; and not
        otherwise.
        """
        self.emit("ai:token", {"token": "Hello"})
        self.emit("ai:done", {"model": "m"})
        self.assertEqual(self.world.history.messages, [])
        self.emit("ai:token", {"token": "Hello"})
        answer = self.emit("ai:done", {"model": "m"}, persist=True)
        (kept,) = self.world.history.messages
        self.assertEqual(answer["id"], kept.message.id)
        data = json.loads(kept.message.data)
        self.assertEqual((data["text"], data["model"], data["state"]), ("Hello", "m", "done"))
        self.assertNotIn("text", self.early.take()[-1]["data"])

    def test_lease(self) -> None:
        """
        If the server is silent for too long, watchers get an end.
        """
        self.emit("ai:token", {"token": "a"})
        self.wait(125)
        self.early.take()
        (end,) = self.early.ends.values()
        self.assertEqual((end["state"], end["reason"]), ("aborted", "lease"))

    def test_otherwise(self) -> None:
        """
        Events of another shape, those that are kept one by one, and those beside a stream that a
        producer has started are plain events.
        """
        self.emit("ai:token", {"text": "a"})
        self.emit("ai:token", "a")
        self.emit("ai:token", {"token": "a"}, persist=True)
        self.emit("ai:done", {})
        self.start()
        self.emit("ai:token", {"token": "a"})
        frames = self.early.take()
        self.assertEqual([f["event"] for f in frames if "stream" in f], ["ai:start"])
        self.assertEqual(len(frames), 6)

    def test_notByOthers(self) -> None:
        """
        A producer cannot feed or take over a stream of emitted events.
        """
        self.emit("ai:token", {"token": "a"})
        stream = self.early.take()[0]["stream"]
        self.assertEqual(self.start(stream, takeover=True)["code"], "stream_busy")
        self.assertEqual(self.refused("b", stream=stream, at=1)["code"], "stream_unknown")

    def test_client(self) -> None:
        """
        What a client with the secret key publishes over a WebSocket is a plain event.
        """
        client = self.world.connect(key=SECRET_KEY)
        client.ask(type="publish", topic=TOPIC, event="ai:token", data={"token": "a"})
        self.assertNotIn("stream", self.early.take()[0])
