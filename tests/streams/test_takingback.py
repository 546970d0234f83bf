"""
Tests for text that a producer takes back.
"""

from __future__ import annotations

import json
from typing import Any

from aerostack.core.answers.answers import Budget
from tests.streams.test_checkpointing import RestartCase
from tests.streams.watching import Watcher


class TakingBackTests(RestartCase):
    """
    Tests with a stream whose text is shown.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start(producer="run")
        self.append("Hello wrold")
        self.turn()
        self.early.take()

    def turn(self) -> None:
        """
        Let the text go out.
        """
        self.world.advance(0.1)

    def newest(self) -> list[Any]:
        """
        Where each text begins that has come, whether it takes the place of other text, and itself.
        """
        self.turn()
        return [
            (frame["at"], frame.get("reset", False), frame["data"]["token"])
            for frame in self.early.take()
            if "at" in frame
        ]

    def test_live(self) -> None:
        """
        Watchers get the place behind which text is taken back, and the text that takes its place.
        """
        self.takeBack(7, "orld", 1)
        self.assertEqual(self.newest(), [(7, True, "orld")])
        self.append("!", edition=1)
        self.assertEqual(self.newest(), [(11, False, "!")])
        self.assertEqual(self.early.texts["a1", "0"], "Hello world!")

    def test_nothingInstead(self) -> None:
        """
        Text can be taken back without any in its place.
        """
        self.takeBack(5, "", 1)
        self.assertEqual(self.newest(), [(5, True, "")])
        self.assertEqual(self.early.texts["a1", "0"], "Hello")

    def test_unseen(self) -> None:
        """
        What no watcher has yet is taken back before any watcher gets it.
        """
        self.append(" and more")
        self.takeBack(14, "d", 1)
        self.takeBack(7, "orld", 2)
        self.assertEqual(self.newest(), [(7, True, "orld")])

    def test_otherParts(self) -> None:
        """
        Reasoning and the arguments of tools can be taken back too; other parts stay.
        """
        for part, kind in (("r", "reasoning"), ("c", "tool")):
            self.append("abc", part=part, kind=kind)
            self.turn()
            self.takeBack(1, "x", 1, part=part, kind=kind)
        self.turn()
        self.early.take()
        self.assertEqual(
            self.early.texts, {("a1", "0"): "Hello wrold", ("a1", "r"): "ax", ("a1", "c"): "ax"}
        )

    def test_repeated(self) -> None:
        """
        The same again is acknowledged and changes nothing, and so is text that was taken back.
        """
        self.takeBack(7, "or", 1)
        self.append("ld", edition=1)
        self.newest()
        for at, text, edition in ((7, "or", 1), (9, "ld", 1), (0, "Hello wrold", 0)):
            self.producer.send(
                type="stream_append",
                stream="a1",
                epoch=1,
                part="0",
                at=at,
                text=text,
                edition=edition,
                id="n",
            )
            self.assertEqual(self.answer()["length"], {"0": 11}, text)
        self.assertEqual(self.newest(), [])

    def test_refused(self) -> None:
        """
        An edition that leaves one out, and a place that is not in the text, is a gap.  The error
        says what the daemon has.
        """
        self.takeBack(7, "orld", 1)
        error = self.refused("x", at=3, edition=3)
        self.assertEqual(
            (error["code"], error["length"], error["edition"]),
            ("stream_gap", {"0": 11}, {"0": 1}),
        )
        self.assertEqual(self.refused("x", at=12, edition=2)["code"], "stream_gap")
        self.append("😀", at=11, edition=1)
        self.assertEqual(self.refused("x", at=12, edition=2)["code"], "stream_mismatch")
        error = self.refused("x", at=0, edition=-1)
        self.assertEqual(error["code"], "invalid_arguments")
        self.assertIn("edition", error["message"])
        self.assertEqual(self.refused("x", at=0, edition="1")["code"], "invalid_frame")

    def test_fenced(self) -> None:
        """
        A producer that was replaced takes nothing back.  The one that goes on gets to know how
        often something was taken back.
        """
        self.takeBack(7, "orld", 1)
        answer = self.start(producer="other", takeover=True)
        self.assertEqual((answer["epoch"], answer["edition"]), (2, {"0": 1}))
        self.assertEqual(self.refused("x", at=0, edition=2, epoch=1)["code"], "stream_fenced")
        self.newest()
        self.assertEqual(self.early.texts["a1", "0"], "Hello world")

    def test_late(self) -> None:
        """
        A client that comes later gets the text as it is, and then what comes; one that has come
        before, and reads only now, as well.
        """
        slow = Watcher(self.world.connect(userId="slow"))
        slow.client.send(type="subscribe", topic="ai-chat/7")
        slow.client.session.congested()
        self.append(" and")
        self.turn()
        self.takeBack(7, "orld", 1)
        first = self.join()
        self.turn()
        second = self.join()
        self.append("!", edition=1)
        self.turn()
        slow.client.session.drained()
        for watcher in (first, second, slow):
            frames = watcher.take()
            self.assertEqual(watcher.texts["a1", "0"], "Hello world!")
            self.assertNotIn(" and", json.dumps(frames[1:]))

    def test_back(self) -> None:
        """
        A client that comes back gets nothing of what was taken back meanwhile, and the right text,
        wherever it was cut off.
        """
        positions = [self.early.position]
        texts = [self.early.texts["a1", "0"]]
        for at, text, edition in ((11, " secret", 0), (18, "s", 0), (7, "orld", 1), (2, "y!", 2)):
            self.takeBack(at, text, edition)
            self.newest()
            positions.append(self.early.position)
            texts.append(self.early.texts["a1", "0"])
        for position, text in zip(positions, texts, strict=True):
            watcher = Watcher(self.world.connect(userId="back"))
            watcher.texts["a1", "0"] = text
            frames = watcher.subscribe(position)
            self.assertEqual(watcher.texts["a1", "0"], "Hey!", position)
            self.assertNotIn("secret", json.dumps(frames))

    def test_backAlone(self) -> None:
        """
        The text is right also where nobody has watched meanwhile, so that a worker has to read the
        topic's log again.
        """
        position, text = self.early.position, self.early.texts["a1", "0"]
        self.append(" and more")
        self.turn()
        self.takeBack(7, "orld", 1)
        self.append(" is here", edition=1)
        self.turn()
        self.early.client.die()
        self.world.advance(1)
        watcher = Watcher(self.world.connect(userId="back"))
        watcher.texts["a1", "0"] = text
        watcher.subscribe(position)
        self.turn()
        watcher.take()
        self.assertEqual(watcher.texts["a1", "0"], "Hello world is here")

    def test_held(self) -> None:
        """
        Text that waited for the database when it was taken back is not sent when it may go out.
        """
        self.world.history.held = []
        self.early.client.send(type="publish", topic="ai-chat/7", event="hi", data=1, persist=True)
        self.append(" secret")
        self.producer.send(type="publish", topic="ai-chat/7", event="behind", data=1)
        self.takeBack(7, "orld", 1)
        late = self.join()
        self.world.history.release()
        self.turn()
        frames = [*late.take(), *self.early.take()]
        self.assertNotIn("secret", json.dumps(frames))
        for watcher in (late, self.early):
            self.assertEqual(watcher.texts["a1", "0"], "Hello world")

    def test_kept(self) -> None:
        """
        The history and C{ai.get} have the text as it is in the end.
        """
        self.takeBack(7, "orld", 1)
        self.end()
        (kept,) = self.world.history.messages
        self.assertEqual(json.loads(kept.message.data)["text"], "Hello world")
        found = json.loads(self.successResultOf(self.world.streams.get("p", "a1")).data)
        self.assertEqual(found["text"], "Hello world")

    def test_bounded(self) -> None:
        """
        Text that was taken back counts, as far as the topic's log still refers to it, so a stream
        cannot grow without end by it.
        """
        self.world.backbone.sequencer.answers.budget = Budget(text=10_000)
        for edition in range(1, 50):
            self.takeBack(3, "x", edition)
            self.turn()
        self.early.take()
        self.assertEqual(self.early.ends["a1"]["reason"], "limit")

    def test_restart(self) -> None:
        """
        After a restart of the daemon the text is that without what was taken back, and the producer
        goes on.
        """
        self.wait(1)
        self.takeBack(7, "or", 1)
        self.wait(1)
        self.append("ld", edition=1)
        self.wait(1)
        self.restart()
        answer = self.start(producer="run")
        self.assertEqual((answer["length"], answer["edition"]), ({"0": 11}, {"0": 1}))
        self.early.subscribe()
        self.assertEqual(self.early.texts["a1", "0"], "Hello world")
        self.takeBack(5, "!", 2)
        self.end()
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "Hello!")
