"""
Token streams, from a server's SDK to clients, with a daemon in memory.
"""

from __future__ import annotations

from typing import Any

from aerostack.client.draft import StreamEnded
from aerostack.client.errors import ClientError
from aerostack.client.stream import Stream
from tests.client.worlds import WorldTestCase

TOPIC = "ai-chat/7"

ANN = "anonymous:ann"
"""The name that the project gives Ann, because it takes tokens too."""


class StreamingTests(WorldTestCase):
    """
    Tests for streams that the SDK writes and clients watch.
    """

    def setUp(self) -> None:
        super().setUp()
        self.sdk = self.world.sdk()

    def start(self, **options: Any) -> Stream:
        """
        Begin a stream.
        """
        stream: Stream = self.result(self.sdk.ai.start(TOPIC, **options))
        return stream

    def watch(self, userId: str = "ann") -> Any:
        """
        A channel of another client, subscribed.
        """
        channel = self.client(userId).channel(TOPIC)
        self.result(channel.subscribe())
        return channel

    def settle(self) -> None:
        """
        Let the daemon send what it has gathered.
        """
        self.world.turn()
        self.world.advance(1)
        self.world.turn()

    def shown(self, channel: Any) -> tuple[str, str]:
        """
        The text and the state of the newest answer.
        """
        self.settle()
        return channel.answers.newest.text, channel.answers.newest.state

    def test_early(self) -> None:
        """
        A watcher sees the stream grow and end.
        """
        channel = self.watch()
        stream = self.start(owner=ANN, meta={"model": "m"})
        stream.write("Hello ")
        self.assertEqual(self.shown(channel), ("Hello ", "streaming"))
        stream.write("😀")
        ended = self.result(stream.end(usage={"tokens": 2}))
        self.assertEqual((ended["state"], ended["kept"]), ("done", True))
        self.assertEqual(self.shown(channel), ("Hello 😀", "done"))
        fields = channel.answers.newest.fields
        self.assertEqual((fields["owner"], fields["meta"]), (ANN, {"model": "m"}))
        self.assertEqual((fields["usage"], fields["kept"]), ({"tokens": 2}, True))

    def test_late(self) -> None:
        """
        A watcher who comes in the middle has the whole text, and then reads on.
        """
        stream = self.start()
        stream.reason("Hm")
        for n in range(2000):
            stream.write(f"{n} 😀 ")
        self.settle()
        channel = self.watch()
        whole = "".join(f"{n} 😀 " for n in range(2000))
        self.assertEqual(self.shown(channel), (whole, "streaming"))
        stream.write("end")
        self.assertEqual(self.shown(channel)[0], f"{whole}end")
        kinds = [(part["kind"], len(part["text"])) for part in channel.answers.newest.parts]
        self.assertEqual(kinds, [("reasoning", 2), ("text", len(whole) + 3)])

    def test_back(self) -> None:
        """
        A watcher who was cut off goes on, and one who was away for long gets the end.
        """
        channel = self.watch()
        stream = self.start()
        stream.write("Hello ")
        self.settle()
        self.world.cut()
        stream.write("world")
        self.world.advance(20)
        self.assertEqual(self.shown(channel), ("Hello world", "streaming"))
        self.world.cut()
        self.result(stream.end())
        self.world.advance(20)
        self.assertEqual(self.shown(channel), ("Hello world", "done"))

    def test_parts(self) -> None:
        """
        Calls of tools and data reach the watchers as parts.
        """
        channel = self.watch()
        stream = self.start()
        stream.write('{"city":', "c", "tool")
        stream.tool("c", "weather", input={"city": 1})
        stream.tool("c", "weather", input={"city": 1}, output="rain")
        stream.data("d", "sources", [1, 2])
        self.assertEqual(self.shown(channel), ("", "streaming"))
        tool, data = channel.answers.newest.parts
        self.assertEqual(
            (tool["name"], tool["input"], tool["output"]), ("weather", {"city": 1}, "rain")
        )
        self.assertEqual((data["name"], data["value"]), ("sources", [1, 2]))

    def test_cancel(self) -> None:
        """
        The owner stops the stream: watcher and publisher learn by whom, and no text follows.
        """
        channel = self.watch()
        stream = self.start(owner=ANN)
        stream.write("Hello ")
        self.settle()
        self.assertIsNone(self.result(channel.answers.newest.cancel()))
        error = self.failureResultOf(stream.write("world"), StreamEnded).value
        self.assertEqual((error.state, error.by), ("cancelled", ANN))
        self.assertEqual(self.shown(channel), ("Hello ", "cancelled"))
        self.assertEqual(channel.answers.newest.fields["by"], ANN)

    def test_refused(self) -> None:
        """
        A user who may not stop the stream is told so.
        """
        channel = self.watch("bob")
        stream = self.start(owner=ANN)
        stream.write("Hello")
        self.settle()
        self.assertEqual(self.refusal(channel.answers.newest.cancel()), "forbidden")
        self.assertEqual(self.shown(channel), ("Hello", "streaming"))

    def test_server(self) -> None:
        """
        A server may stop every stream, and read it while it runs and when it has just ended.
        """
        stream = self.start(owner=ANN)
        stream.write("Hello")
        self.settle()
        read = self.result(self.sdk.ai.get(stream.id))
        self.assertEqual((read["text"], read["state"]), ("Hello", "streaming"))
        self.assertEqual(self.result(self.sdk.ai.cancel(stream.id))["state"], "cancelled")
        read = self.result(self.sdk.ai.get(stream.id))
        self.assertEqual((read["text"], read["state"]), ("Hello", "cancelled"))
        self.assertEqual(self.refusal(self.sdk.ai.cancel("nothing")), "stream_unknown")

    def test_dead(self) -> None:
        """
        A stream whose publisher is gone ends by itself.
        """
        channel = self.watch()
        stream = self.start(lease=5)
        stream.write("Hello")
        self.settle()
        # As if the process were killed.
        stream._stopBeat()
        self.world.advance(7)
        self.assertEqual(self.shown(channel), ("Hello", "aborted"))
        self.assertEqual(channel.answers.newest.fields["reason"], "lease")

    def test_quiet(self) -> None:
        """
        A publisher that thinks for long keeps its stream.
        """
        channel = self.watch()
        stream = self.start(lease=5)
        for _ in range(20):
            self.world.advance(1)
            self.world.turn()
        stream.write("Hello")
        self.assertEqual(self.shown(channel), ("Hello", "streaming"))

    def test_restart(self) -> None:
        """
        After a restart of the daemon the stream goes on, and its watcher has the whole text once.
        """
        channel = self.watch()
        stream = self.start(lease=300)
        for n in range(30):
            stream.write(f"{n} ")
            self.world.turn()
            self.world.advance(0.1)
        self.world.cut()
        self.world.restart()
        # An SDK of a world asks the daemon of the moment when it was made.
        stream._calls = self.world.sdk().ai._calls
        written = stream.write("end")
        self.world.advance(60)
        self.world.turn()
        self.assertIsNone(self.successResultOf(written))
        whole = "".join(f"{n} " for n in range(30)) + "end"
        self.assertEqual(self.shown(channel), (whole, "streaming"))
        self.result(stream.end())
        self.assertEqual(self.shown(channel), (whole, "done"))

    def test_restartAtEnd(self) -> None:
        """
        Where the daemon is restarted after it has taken all text and before the end comes, the
        publisher sends what was lost again, and the history has the whole text.
        """
        stream = self.start(lease=300)
        stream.write("Hello ")
        self.world.advance(2)
        self.world.turn()
        written = stream.write("world")
        self.world.turn()
        self.successResultOf(written)
        # The last second was not kept.
        self.world.cut()
        self.world.restart()
        stream._calls = self.world.sdk().ai._calls
        self.assertEqual(self.result(stream.end())["state"], "done")
        (kept,) = self.world.history.messages
        self.assertIn(b'"text":"Hello world"', kept.message.data)

    def test_emitted(self) -> None:
        """
        A server that emits tokens as events streams too.
        """
        channel = self.watch()
        for token in ("Hel", "lo"):
            self.result(self.sdk.socket.emit("ai:token", {"token": token}, TOPIC))
        self.assertEqual(self.shown(channel), ("Hello", "streaming"))
        self.result(self.sdk.socket.emit("ai:done", {}, TOPIC))
        self.assertEqual(self.shown(channel), ("Hello", "done"))

    def test_failed(self) -> None:
        """
        A publisher says why it has failed.
        """
        channel = self.watch()
        stream = self.start()
        stream.write("Hel")
        self.result(stream.fail("The model is gone."))
        self.assertEqual(self.shown(channel), ("Hel", "failed"))
        self.assertEqual(channel.answers.newest.fields.get("reason"), "The model is gone.")

    def test_invalid(self) -> None:
        """
        Bad options are refused with a sentence.
        """
        for options in ({"lease": 0.01}, {"cancel": "everybody"}, {"stream": "a b"}):
            failure = self.failureResultOf(self.sdk.ai.start(TOPIC, **options), ClientError)
            self.assertEqual(failure.value.code, "invalid_arguments")

    def test_away(self) -> None:
        """
        A watcher who was away for longer than the text is in memory, but not for as long as the
        topic's log goes back, reads how the stream has ended; one that was not kept stays unknown.
        """
        self.world.backbone.sequencer.answers.linger = 20.0
        for persist, shown in ((True, ("Hello world", "done")), (False, ("Hello", "unknown"))):
            channel = self.watch()
            stream = self.start(persist=persist)
            stream.write("Hello")
            self.settle()
            self.world.reachable = False
            self.world.cut()
            stream.write(" world")
            self.result(stream.end(usage={"tokens": 2}))
            self.world.advance(30)
            self.world.reachable = True
            self.world.advance(60)
            self.assertEqual(self.shown(channel), shown)
        self.assertEqual(channel.answers.newest.fields["meta"], {})

    def test_longAway(self) -> None:
        """
        A watcher who was away for longer than the text is in memory gets the message that the
        history has kept, and from it the whole text and the state.
        """
        channel = self.watch()
        ends: list[str] = []
        channel.on("ai:done", lambda frame: ends.append(frame["data"]["text"]))
        stream = self.start()
        stream.write("Hello")
        self.settle()
        self.world.reachable = False
        self.world.cut()
        stream.write(" world")
        self.result(stream.end())
        self.world.advance(1000)
        self.world.reachable = True
        self.world.advance(120)
        self.assertEqual(self.shown(channel), ("Hello world", "done"))
        self.assertEqual(ends, ["Hello world"])
