"""
Tests for publications and logs, in one process and in several.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.gaps import Gap
from aerostack.core.replay.log import Depth, Plan
from aerostack.core.replay.positions import parsePosition
from tests.workers.contract import ROOM, Contract
from tests.workers.machine import Machine, numbers, positions


class OneProcessTests(Contract, SynchronousTestCase):
    """
    The contract, in one process.
    """

    def makeMachine(self, **options: Any) -> Machine:
        return Machine(0, **options)


class WorkersTests(Contract, SynchronousTestCase):
    """
    The contract, with two workers.
    """

    def makeMachine(self, **options: Any) -> Machine:
        return Machine(2, **options)


class PiecesTests(Contract, SynchronousTestCase):
    """
    The contract, with three workers whose channels cut what they carry into small pieces.
    """

    def makeMachine(self, **options: Any) -> Machine:
        return Machine(3, chunk=997, **options)


worker = st.integers(0, 2)
acts = st.one_of(
    st.tuples(st.just("publish"), worker, st.booleans()),
    st.tuples(st.just("publish"), worker, st.booleans()),
    st.tuples(st.just("enter"), worker, st.none()),
    st.tuples(st.just("leave"), worker, st.none()),
    st.tuples(st.just("fill"), worker, st.none()),
    st.tuples(st.just("turn"), st.integers(1, 9), st.none()),
)


class AnyRunTests(SynchronousTestCase):
    """
    Any run of publications, subscriptions and resumes, with channels that are cut anywhere.
    """

    @settings(deadline=None, max_examples=150)
    @given(
        st.lists(acts, max_size=40),
        st.integers(1, 400),
        st.builds(Depth, st.sampled_from((1000, 4)), st.just(1_000_000), st.just(1000.0)),
    )
    def test_run(self, run: list[tuple[str, int, Any]], chunk: int, depth: Depth) -> None:
        """
        Each subscriber gets every publication from some point on, once and in the one order; and
        each worker decides every resume as the hub's log.
        """
        machine = Machine(3, depth, chunk)
        witness = machine.addWorker().front.subscribe(ROOM)
        machine.settle()
        heard: list[tuple[list[bytes], bool]] = []
        serial = 0
        for act, which, persist in run:
            front = machine.fronts[which % 3]
            if act == "publish":
                serial += 1
                front.publish(ROOM, b"%d" % serial, persist)
            elif act == "enter" and ROOM not in front.listeners:
                front.subscribe(ROOM)
            elif act == "leave" and front.hub.registry.groups(ROOM):
                heard.append((front.listeners[ROOM].frames, False))
                front.unsubscribe(ROOM)
            elif act == "fill" and front.hub.registry.groups(ROOM):
                front.source.fill(ROOM)
            elif act == "turn":
                for _ in range(which):
                    machine.clock.advance(0)
        machine.settle()
        self.assertEqual(sorted(numbers(witness.frames)), list(range(1, serial + 1)))
        for front in machine.fronts[:3]:
            if ROOM in front.listeners:
                heard.append((front.listeners[ROOM].frames, True))
        for frames, isPresent in heard:
            end = len(witness.frames) if isPresent else len(frames) + _find(witness.frames, frames)
            self.assertEqual(frames, witness.frames[end - len(frames) : end])
        for front in machine.fronts[:3]:
            if ROOM in front.listeners:
                self._compare(machine, front, positions(witness.frames))

    def _compare(self, machine: Machine, front: Any, places: list[str]) -> None:
        source = machine.backbone.sequencer.logs.get(ROOM)
        assert source is not None
        for n, place in enumerate(places):
            got = front.resume(ROOM, place)
            position = parsePosition(place)
            assert position is not None
            plan = source.resume(position, machine.clock.seconds())
            if isinstance(plan, Gap):
                self.assertEqual(got, plan)
                continue
            assert isinstance(plan, Plan)
            mirrored = front.sequencer.logs.get(ROOM).resume(position, machine.clock.seconds())
            self.assertEqual(
                [entry.offset for entry in mirrored.entries],
                [entry.offset for entry in plan.entries],
            )
            self.assertEqual(
                (mirrored.after, mirrored.until, mirrored.keptOnly),
                (plan.after, plan.until, plan.keptOnly),
            )
            self.assertEqual(positions(got)[-1:], places[n + 1 :][-1:])
            self.assertEqual(len(got), len(places) - n - 1)


def _find(frames: list[bytes], some: list[bytes]) -> int:
    """Where frames begin among others; 0 if there are none."""
    return frames.index(some[0]) if some else 0
