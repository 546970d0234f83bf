"""
Keyed state in any order of events, against a model.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.recovery import values
from aerostack.testing import (
    Frame,
    World,
)
from aerostack.testing.delayed import Line
from tests.stories.keyed import CANONICAL, TOPIC, Copy, makeRules

STEP = st.one_of(
    st.tuples(st.just("put"), st.sampled_from("abc"), st.booleans()),
    st.tuples(st.just("remove"), st.sampled_from("abc"), st.booleans()),
    st.tuples(st.just("new"), st.sampled_from("abc"), st.booleans()),
    st.tuples(st.just("change"), st.sampled_from("abc"), st.booleans()),
    st.tuples(st.just("stale"), st.sampled_from("abc"), st.booleans()),
    st.tuples(st.just("join"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("cut"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("back"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("time"), st.integers(1, 8), st.booleans()),
    st.tuples(st.just("hold"), st.just(""), st.booleans()),
    st.tuples(st.just("release"), st.just(""), st.booleans()),
    st.tuples(st.just("carry"), st.integers(1, 3), st.booleans()),
)


class ModelTests(SynchronousTestCase):
    """
    Any order of events, against a dictionary.
    """

    def setUp(self) -> None:
        self.patch(values, "PAGE", 2)

    @given(st.lists(STEP, max_size=40), st.sampled_from([2, 1000]), st.booleans())
    @settings(max_examples=200, deadline=None)
    def test_model(self, steps: list[tuple[str, Any, bool]], count: int, isFar: bool) -> None:
        """
        Whatever happens, each subscriber ends with the values that the acknowledged publications
        left, gets no frame twice, and of the conditions exactly those hold that should.
        """
        line = Line() if isFar else None
        world = World(rules=makeRules(count, ttl=20.0), line=line)
        run = ModelRun(world, line)
        for step in steps:
            run.do(*step)
        run.settle()
        run.check()
        for place in range(3):
            run.do_back(place, True)
        run.settle()
        run.check()
        run.checkConditions()


class ModelRun:
    """
    A run of the model.

    @ivar copies: What each of three subscribers has; L{None} before it subscribes.
    @ivar sent: What was published, by its id.
    """

    def __init__(self, world: World, line: Line | None) -> None:
        self.world = world
        self.line = line
        self.copies: list[Copy | None] = [None, None, None]
        self.sent: dict[int, Frame] = {}
        self.answers: list[Frame] = []
        self.publisher = world.connect(userId="ann")
        self.witness = Copy(world.connect())
        self.witness.subscribe()
        self.settle()
        if line is not None:
            line.isFree = False

    def turn(self) -> None:
        """
        Let frames arrive.
        """
        self.world.turn()
        for copy in self.copies:
            if copy is not None and copy.isThere:
                copy.take()

    def publish(self, key: str, data: Any, persist: bool, **fields: Any) -> None:
        """
        Publish.
        """
        number = len(self.sent) + 1
        data = number if data is ... else data
        frame = {"type": "publish", "topic": TOPIC, "event": "set", "key": key, "data": data}
        self.sent[number] = {**frame, **fields}
        self.publisher.send(**frame, persist=persist, id=number, **fields)

    def do(self, what: str, about: Any, flag: bool) -> None:
        """
        Do one step.
        """
        getattr(self, f"do_{what}")(about, flag)
        if flag:
            self.turn()

    def do_put(self, key: str, flag: bool) -> None:
        self.publish(key, ..., flag)

    def do_remove(self, key: str, flag: bool) -> None:
        self.publish(key, None, flag)

    def do_new(self, key: str, flag: bool) -> None:
        self.publish(key, ..., flag, ifNew=True)

    def do_change(self, key: str, flag: bool) -> None:
        value = self.world.backbone.states.find(CANONICAL, key)
        if value is not None:
            self.publish(key, ..., flag, ifPos=str(value.place))

    def do_stale(self, key: str, flag: bool) -> None:
        self.publish(key, ..., flag, ifPos="e9-ff-0")

    def do_join(self, place: int, flag: bool) -> None:
        if self.copies[place] is None:
            copy = self.copies[place] = Copy(self.world.connect())
            copy.subscribe()

    def do_cut(self, place: int, flag: bool) -> None:
        copy = self.copies[place]
        if copy is not None and copy.isThere:
            copy.client.die()
            copy.isThere = False

    def do_back(self, place: int, flag: bool) -> None:
        self.do_cut(place, flag)
        copy = self.copies[place]
        if copy is not None:
            back = self.copies[place] = Copy(self.world.connect())
            back.values, back.last, back.repeated = copy.values, copy.last, copy.repeated
            back.subscribe(back.last)

    def do_time(self, seconds: int, flag: bool) -> None:
        self.world.advance(seconds)

    def do_hold(self, about: str, flag: bool) -> None:
        if self.world.history.held is None:
            self.world.history.held = []

    def do_release(self, about: str, flag: bool) -> None:
        self.world.history.release()

    def do_carry(self, most: int, flag: bool) -> None:
        if self.line is not None:
            self.line.carry(most)

    def settle(self) -> None:
        """
        Let everything come to rest.
        """
        for _ in range(3):
            self.world.history.release()
            if self.line is not None:
                self.line.isFree = True
                self.line.carry()
            self.turn()
        self.witness.take()
        self.answers += self.publisher.take()

    def check(self) -> None:
        """
        Compare all that are there with the witness, who was there from the beginning.
        """
        state = self.world.backbone.states.get(CANONICAL)
        there = {} if state is None else {k: v.data for k, v in state.values.items()}
        if {k: str(v).encode() for k, v in self.witness.values.items()} != there:
            raise AssertionError(f"{self.witness.values} is not {there}")
        for copy in self.copies:
            if copy is None or not copy.isThere:
                continue
            if copy.values != self.witness.values or copy.repeated or not copy.isReady:
                raise AssertionError((copy.values, self.witness.values, copy.repeated))

    def checkConditions(self) -> None:
        """
        See that all that was acknowledged was published, that nothing else was, and that each
        condition held when its publication had its place.
        """
        values: dict[str, Frame] = {}
        published = {frame["data"] for frame in self.witness.log}
        for frame in self.witness.log:
            asked = self.sent.get(frame["data"], {})
            before = values.pop(frame["key"], None)
            if asked.get("ifNew") and before is not None:
                raise AssertionError(("not new", asked, before))
            if "ifPos" in asked and (before is None or before["pos"] != asked["ifPos"]):
                raise AssertionError(("another pos", asked, before))
            if frame["data"] is not None:
                values[frame["key"]] = frame
        for answer in self.answers:
            asked = self.sent[answer["id"]]
            isPublished = asked["data"] in published
            if asked["data"] is not None and isPublished != (answer["type"] == "ack"):
                raise AssertionError((answer, asked))
            if answer["type"] == "error" and answer["code"] != "stale":
                raise AssertionError(answer)
        if len(self.answers) != len(self.sent):
            raise AssertionError("an answer is missing")
