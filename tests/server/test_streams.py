"""
Tests for L{aerostack.server.streams}.
"""

from __future__ import annotations

from aerostack.net.http.metriclist import METRICS
from aerostack.server.streams import streamTimings, streamValues
from tests.streams.watching import CANONICAL, StreamCase


class FiguresTests(StreamCase):
    """
    Tests for L{streamValues} and L{streamTimings}.
    """

    def test_values(self) -> None:
        """
        What streams do is counted: those that run, the ends by their states, texts, characters, and
        the frames that brought them.
        """
        for stream in ("a1", "a2", "a3"):
            self.start(stream)
            self.append("abc", stream)
        self.append("def")
        self.wait(0.1)
        self.end("a1")
        self.end("a2", state="failed")
        self.wait(31)
        self.start("a4")
        self.producer.ask(type="stream_cancel", stream="a4")
        self.start("a5")
        values = streamValues(self.world.streams)
        self.assertGreater(values.pop("aerostack_streams_bytes"), 0)
        self.assertEqual(
            values,
            {
                "aerostack_streams": 1,
                "aerostack_streams_unkept_total": 0,
                "aerostack_streams_done_total": 1,
                "aerostack_streams_failed_total": 1,
                "aerostack_streams_cancelled_total": 1,
                "aerostack_streams_aborted_total": 1,
                "aerostack_stream_appends_total": 4,
                "aerostack_stream_characters_total": 12,
                "aerostack_stream_frames_total": 4,
            },
        )

    def test_known(self) -> None:
        """
        Each is a metric, and a process in which no stream runs has the same ones.
        """
        known = {metric.name for metric in METRICS}
        values = streamValues(self.world.streams)
        self.assertEqual(set(streamValues(None)), set(values))
        self.assertLessEqual({*values, *streamTimings(self.world.streams)}, known)

    def test_texts(self) -> None:
        """
        The time of a text begins when the first of those comes that go out together, and ends when
        its subscribers have been sent it; what nobody subscribes to is not measured.
        """
        texts = self.world.hub.delivery.texts
        self.start()
        self.append("a")
        self.assertEqual((texts.count, texts.total), (1, 0.0))
        self.world.streams.ticker.stop()
        for text in "bc":
            self.append(text)
            self.world.clock.advance(0.25)
        self.world.streams.ticker.flush(CANONICAL)
        self.world.turn()
        self.assertEqual(texts.count, 2)
        self.assertAlmostEqual(texts.total, 0.5)
        # Values are no texts.
        self.producer.send(
            type="stream_put", stream="a1", epoch=1, part="d", kind="data", value={"name": "n"}
        )
        self.early.client.close()
        self.append("d")
        self.world.streams.ticker.flush(CANONICAL)
        self.end()
        self.assertEqual(texts.count, 2)
