"""
Tests for L{aerostack.ai.upstream}, with the model's server in memory.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import fail
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.ai.answerbody import LINGER
from aerostack.ai.upstream import ATTEMPTS, PATIENCE, PAUSE, Upstream
from aerostack.core.answers.growth import Grown, Growth
from aerostack.core.answers.outcome import Outcome
from aerostack.errors import RealtimeError
from aerostack.interfaces.models import IModel, IReply
from aerostack.protocol.chatrequests import makeChatRequest
from aerostack.settings.ai import ModelConfig
from aerostack.testing.models import CUT, DONE, HANG, ModelAnswer, ModelServer, chunk, words

CONFIG = ModelConfig("http://model.example/v1/chat/completions", "sk-s3cret", "large", first=20.0)
PROMPT = "pr0mpt"
REQUEST = makeChatRequest(b'[{"role":"user","content":"pr0mpt"}]', {})
USAGE = b'{"prompt_tokens": 1, "completion_tokens": 2}'


class Taker:
    """
    Takes an answer.

    @ivar text: The text as far as it came.
    @ivar outcome: The end; L{None} before it.
    """

    def __init__(self) -> None:
        self.text = ""
        self.growths: list[Growth] = []
        self.outcome: Outcome | None = None
        self.reply: Any = None
        self.stopAt = ""

    def grown(self, growths: Sequence[Growth]) -> None:
        assert self.outcome is None, "the answer has ended"
        self.growths += growths
        self.text += "".join(each.text for each in growths if isinstance(each, Grown))
        if self.stopAt and self.stopAt in self.text:
            self.reply.cancel()

    def ended(self, outcome: Outcome) -> None:
        assert self.outcome is None, "the answer has ended twice"
        self.outcome = outcome

    @property
    def error(self) -> RealtimeError:
        assert self.outcome is not None and self.outcome.error is not None, self.outcome
        return self.outcome.error


class UpstreamTests(SynchronousTestCase):
    """
    Tests for L{Upstream}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = ModelServer(self.clock)
        self.agent = RequestTraversalAgent(self.server)
        self.model = self.makeModel()
        self.logged: list[Any] = []
        observer: Any = self.logged.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def makeModel(self, agent: Any = None, **differing: Any) -> Upstream:
        """
        A model with other settings.
        """
        config = replace(CONFIG, **differing)
        return Upstream(self.clock, "default", config, lambda: 1_000_000.0, agent or self.agent)

    def pump(self, seconds: float = 0.0) -> None:
        """
        Let time pass, and everything arrive.
        """
        steps = max(1, round(seconds * 10))
        for _ in range(steps):
            self.clock.advance(seconds / steps)
            self.agent.flush()
        self.agent.flush()

    def ask(self, *answers: ModelAnswer, stopAt: str = "") -> Taker:
        """
        Ask the model, which gives these answers.
        """
        if answers:
            self.server.answers[:] = answers
        taker = Taker()
        taker.stopAt = stopAt
        taker.reply = self.model.ask(REQUEST, taker)
        self.pump()
        return taker

    def tearDown(self) -> None:
        # Nothing secret is in the log, whatever happened.
        written = repr(
            [{k: v for k, v in event.items() if k != "log_logger"} for event in self.logged]
        )
        for secret in ("s3cret", PROMPT, "quoted"):
            self.assertNotIn(secret, written)

    def test_whole(self) -> None:
        """
        The answer comes piece by piece, and ends whole, with its numbers.
        """
        verifyObject(IModel, self.model)
        taker = self.ask(words("Hel", "lo", pause=1.0))
        verifyObject(IReply, taker.reply)
        self.assertEqual((taker.text, taker.outcome), ("Hel", None))
        self.pump(1.1)
        self.assertEqual(taker.text, "Hello")
        self.pump(1.1)
        self.assertEqual(taker.outcome, Outcome(None, USAGE))
        self.assertEqual((len(self.model), self.server.open), (0, 0))
        self.assertEqual((self.model.asked, self.model.failures), (1, 0))
        (asked,) = self.server.asked
        self.assertEqual(asked.body["model"], "large")
        self.assertEqual(asked.headers["authorization"], "Bearer sk-s3cret")
        self.assertEqual(asked.headers["accept-encoding"], "identity")
        self.assertFalse(self.clock.getDelayedCalls())

    def test_later(self) -> None:
        """
        The receiver is not called before the caller has the reply.
        """
        taker = Taker()
        self.model.ask(REQUEST, taker)
        self.agent.flush()
        self.assertEqual(self.server.asked, [])
        self.pump()
        self.assertEqual(len(self.server.asked), 1)

    def test_reasons(self) -> None:
        """
        An answer that has become too long, or was filtered, says so; other reasons are none.
        """
        for word, reason in (
            ("length", "length"),
            ("content_filter", "content_filter"),
            ("tool_calls", None),
            ("eos", None),
        ):
            taker = self.ask(ModelAnswer([chunk({"content": "a"}), chunk(reason=word)]))
            self.assertEqual(taker.outcome, Outcome(reason))

    def test_brokenOff(self) -> None:
        """
        An answer that ends without a reason, with an error in the middle, with what is no event, or
        with the connection, is broken off.  What came is kept, and the model is not asked again.
        """
        first = chunk({"content": "Hel"})
        for pieces, ending in (
            ([first], "finish"),
            ([first], CUT),
            ([first, b'data: {"error": {"message": "quoted s3cret"}}\n\n'], HANG),
            ([first, b"data: <html>quoted</html>\n\n"], HANG),
            ([first, b"data: " + b"x" * 2_000_000], HANG),
            ([first, b'data: {"choices":[{"delta":{"content":"\xf0\x9f"}}]}\n\n'], CUT),
        ):
            self.server.asked.clear()
            taker = self.ask(ModelAnswer(pieces, ending=ending))
            self.pump(PAUSE + 0.1)
            self.assertTrue(taker.text.startswith("Hel"))
            self.assertEqual(taker.error.code, "model_failed")
            self.assertNotIn("quoted", str(taker.error))
            self.assertEqual((len(self.server.asked), self.server.open), (1, 0))

    def test_notBegun(self) -> None:
        """
        As long as nothing has come, the model is asked once more.
        """
        for answer in (
            ModelAnswer([chunk({"role": "assistant", "content": ""})]),
            ModelAnswer([b": hello\n\n"], ending=CUT),
            ModelAnswer([b'data: {"error": "quoted"}\n\n'], ending=HANG),
            ModelAnswer([b"quoted s3cret"], 503, {}),
            ModelAnswer([b"quoted s3cret"], 500, {}),
        ):
            self.server.asked.clear()
            taker = self.ask(answer, words("ok"))
            self.assertEqual(taker.outcome, None)
            self.pump(PAUSE + 0.1)
            self.assertEqual((taker.text, taker.outcome is not None), ("ok", True))
            self.assertEqual(len(self.server.asked), ATTEMPTS)

    def test_twice(self) -> None:
        """
        A model that fails twice is not asked a third time.
        """
        taker = self.ask(ModelAnswer([b"quoted"], 503, {"content-type": "text/html"}))
        self.pump(10.0)
        self.assertEqual(len(self.server.asked), ATTEMPTS)
        self.assertEqual(taker.error.code, "model_failed")
        self.assertIn("status 503", taker.error.message)
        self.assertEqual((self.model.asked, self.model.failures), (1, 1))
        self.assertNotIn("quoted", taker.error.message)

    def test_retryAfter(self) -> None:
        """
        The second attempt waits for as long as the model asks, in seconds or until a time; if that
        is too long, the client gets it.
        """
        for value, wait in (("3", 3.0), ("Mon, 12 Jan 1970 13:46:45 GMT", 5.0), ("soon", PAUSE)):
            self.server.asked.clear()
            taker = self.ask(ModelAnswer((), 429, {"retry-after": value}), words("ok"))
            self.pump(wait - 0.1)
            self.assertEqual(len(self.server.asked), 1, value)
            self.pump(0.2)
            self.assertEqual(taker.text, "ok")
        late = str(int(PATIENCE) + 1)
        taker = self.ask(ModelAnswer((), 429, {"retry-after": late}))
        self.assertEqual(taker.error.retryAfter, 11_000)

    def test_refused(self) -> None:
        """
        A request that the model refuses, a wrong key, and a redirect are not tried again, and no
        redirect is followed.
        """
        for status, headers, code in (
            (400, {}, "model_refused"),
            (422, {}, "model_refused"),
            (401, {}, "model_failed"),
            (404, {}, "model_failed"),
            (302, {"location": "http://elsewhere.example/"}, "model_failed"),
            (307, {"location": "http://elsewhere.example/"}, "model_failed"),
        ):
            self.server.asked.clear()
            taker = self.ask(ModelAnswer([b"quoted"], status, headers))
            self.pump(10.0)
            self.assertEqual((taker.error.code, taker.error.retryAfter), (code, None))
            self.assertEqual(len(self.server.asked), 1)
            self.assertNotIn("quoted", taker.error.message)

    def test_noStream(self) -> None:
        """
        An answer that is no stream of events is none, even if it says that all is well.
        """
        for kind in ("text/html", "application/json", ""):
            taker = self.ask(ModelAnswer([b"<html>quoted"], 200, {"content-type": kind}))
            self.assertEqual(taker.error.code, "model_failed")

    def test_unreachable(self) -> None:
        """
        A model that cannot be reached is tried twice.
        """

        class Nowhere:
            tries = 0

            def request(self, *args: Any) -> Any:
                self.tries += 1
                return fail(ConnectionRefusedError("refused"))

        agent = Nowhere()
        self.model = self.makeModel(agent)
        taker = self.ask()
        self.pump(PAUSE + 0.1)
        self.assertEqual((taker.error.code, agent.tries), ("model_failed", ATTEMPTS))

    def test_first(self) -> None:
        """
        A model that does not begin is given up, whatever signs of life it gives.
        """
        silences: list[list[bytes | float]] = [
            [],
            [b": wait\n\n", 15.0, b": wait\n\n"],
            [chunk({"role": "assistant"})],
        ]
        for pieces in silences:
            taker = self.ask(ModelAnswer(pieces, ending=HANG))
            self.pump(19.9)
            self.assertIsNone(taker.outcome)
            self.pump(0.2)
            self.assertEqual((taker.error.code, self.server.open), ("model_failed", 0))

    def test_idle(self) -> None:
        """
        A model that stops in the middle is given up; a comment is a sign of life.
        """
        first = chunk({"content": "Hel"})
        taker = self.ask(ModelAnswer([first, 50.0, b":\n\n"], ending=HANG))
        self.pump(100.0)
        self.assertIsNone(taker.outcome)
        self.pump(11.0)
        self.assertEqual((taker.text, taker.error.code), ("Hel", "model_failed"))
        self.assertEqual((len(self.model), self.server.open), (0, 0))

    def test_hangsAtTheEnd(self) -> None:
        """
        An answer that is whole does not wait for ever for a connection that stays open.
        """
        whole = [chunk({"content": "a"}), chunk(reason="stop")]
        taker = self.ask(ModelAnswer([*whole, DONE], ending=HANG))
        self.assertEqual((taker.outcome, self.server.open), (Outcome(), 1))
        self.pump(LINGER + 0.1)
        self.assertEqual(self.server.open, 0)
        taker = self.ask(ModelAnswer(whole, ending=HANG))
        self.pump(61.0)
        self.assertEqual((taker.outcome, self.server.open), (Outcome(), 0))

    def test_cancel(self) -> None:
        """
        A cancelled answer is told nothing more, and the connection is closed: before the request,
        while the model thinks, between two attempts, in the middle, and from within.
        """
        begun = ModelAnswer([chunk({"content": "Hel"}), 1.0, chunk({"content": "lo"})], ending=HANG)
        for answer, seconds in (
            (ModelAnswer(ending=HANG), 0.0),
            (ModelAnswer([b":\n\n"], ending=HANG), 1.0),
            (ModelAnswer((), 503, {}), 0.1),
            (begun, 0.5),
            (begun, 2.0),
        ):
            taker = self.ask(answer)
            self.pump(seconds)
            for _ in range(2):
                taker.reply.cancel()
            self.agent.flush()
            self.assertEqual((len(self.model), self.server.open), (0, 0))
            text = taker.text
            self.pump(200.0)
            self.assertEqual((taker.text, taker.outcome), (text, None))
        self.server.asked.clear()
        taker = Taker()
        self.model.ask(REQUEST, taker).cancel()
        self.pump(1.0)
        self.assertEqual((self.server.asked, len(self.model)), ([], 0))
        both = ModelAnswer([chunk({"content": "a"}) + chunk({"content": "b"})], ending=HANG)
        taker = self.ask(both, stopAt="a")
        self.assertEqual((taker.text, self.server.open), ("a", 0))
        self.assertFalse(self.clock.getDelayedCalls())

    def test_pause(self) -> None:
        """
        While the receiver reads nothing, nothing comes, and no time-out is over.
        """
        taker = self.ask(words("a", "b", "c", pause=1.0))
        taker.reply.pause()
        self.pump(100.0)
        self.assertEqual((taker.text, taker.outcome), ("a", None))
        for _ in range(2):
            taker.reply.resume()
        self.pump()
        self.assertEqual((taker.text, taker.outcome is None), ("abc", False))
        taker.reply.pause()
        taker.reply.resume()
        self.assertFalse(self.clock.getDelayedCalls())

    def test_pausedBefore(self) -> None:
        """
        A receiver that reads nothing from the beginning gets nothing until it reads on.
        """
        self.server.answers[:] = [words("a")]
        taker = Taker()
        reply = self.model.ask(REQUEST, taker)
        reply.pause()
        self.pump(200.0)
        self.assertEqual((taker.text, taker.outcome), ("", None))
        reply.resume()
        self.pump()
        self.assertEqual((taker.text, taker.outcome is None), ("a", False))

    def test_most(self) -> None:
        """
        A model answers no more at once than its bound.
        """
        self.model = self.makeModel(requests=2)
        takers = [self.ask(words("a", "b", pause=1.0)) for _ in range(2)]
        error = self.assertRaises(RealtimeError, self.model.ask, REQUEST, Taker())
        self.assertEqual((error.code, error.retryAfter), ("overloaded", 1000))
        takers[0].reply.cancel()
        self.assertIsNone(self.ask().outcome)
        self.model.reload(replace(CONFIG, requests=3))
        self.assertIsNone(self.ask().outcome)

    def test_stop(self) -> None:
        """
        A stop breaks all answers off, and says so.
        """
        takers = [self.ask(words("a", "b", pause=1.0)) for _ in range(2)]
        self.successResultOf(self.model.stop())
        self.assertEqual([taker.error.code for taker in takers], ["shutting_down"] * 2)
        self.agent.flush()
        self.assertEqual((len(self.model), self.server.open), (0, 0))

    def test_compressed(self) -> None:
        """
        A server that compresses all the same is understood.
        """
        head = {"content-type": "text/event-stream", "content-encoding": "gzip"}
        data = gzip.compress(chunk({"content": "a"}) + chunk(reason="stop") + DONE)
        taker = self.ask(ModelAnswer([data], headers=head))
        self.assertEqual((taker.text, taker.outcome), ("a", Outcome()))

    def test_bomb(self) -> None:
        """
        A server that sends few bytes which stand for very many is let go.
        """
        head = {"content-type": "text/event-stream", "content-encoding": "gzip"}
        data = gzip.compress(b"\n" * 3_000_000)
        taker = self.ask(ModelAnswer([data, HANG], headers=head))
        self.assertEqual(taker.error.code, "model_failed")
        self.agent.flush()
        self.assertEqual((len(self.server.asked), self.server.open), (1, 0))
