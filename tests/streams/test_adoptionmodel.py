"""
Random deaths, freezes and returns of nodes that share token streams, against a model.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import End, Terms
from aerostack.core.answers.requests import Append, StartRequest
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.protocol.streams import START
from tests.streams.cluster import Cluster, Node
from tests.streams.watching import CANONICAL

WHOLE = "".join(f"w{number} " for number in range(400))
"""What each producer writes.  It begins again where the node says."""

NAMES = ("n0", "n1", "n2")

SETTLING = 120.0
"""Seconds in which everything must be over once nodes run.  It is two leases of nodes, one of a
producer, and the time that a stream is still before the other nodes are asked."""

STREAMS = st.integers(0, 5)


class AdoptionMachine(RuleBasedStateMachine):
    """
    Producers write at any node.  Nodes die at any moment: also between a call to the database and
    the next one to the engine.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster()
        for name in NAMES:
            self.cluster.start(name)
        self.cluster.advance(12)
        # By the id of each record, how much of its text the database had.
        self.written: dict[str, int] = {}
        self.kept: set[str] = set()

    def node(self, number: int) -> Node | None:
        """
        A node that gets on; L{None} if there is none.
        """
        nodes = [node for node in self.cluster.alive if not node.isFrozen]
        return nodes[number % len(nodes)] if nodes else None

    @rule(
        stream=STREAMS,
        number=st.integers(0, 2),
        count=st.integers(0, 3),
        kept=st.booleans(),
        fuse=st.none() | st.tuples(st.integers(1, 8), st.booleans()),
    )
    def write(
        self, stream: int, number: int, count: int, kept: bool, fuse: tuple[int, bool] | None
    ) -> None:
        """A producer begins or goes on at a node, which may die meanwhile."""
        node = self.node(number)
        if node is not None:
            self.blow(node, fuse)
            name = f"{'k' if kept else 'u'}{stream}"
            terms = Terms(lease=5.0, persist=kept)
            started = self.result(
                node.calls.start(topicOf(CANONICAL), StartRequest(terms, name, name))
            )
            for _ in range(count):
                if started is not None:
                    at = started.length.get("0", 0)
                    appended = [Append("0", "text", at, WHOLE[at : at + 3])]
                    length = self.result(node.calls.append("p", name, started.epoch, appended))
                    if length is None:
                        break
                    started.length["0"] = length["0"]
                    self.cluster.advance(0.5)

    @rule(stream=STREAMS, number=st.integers(0, 2), kept=st.booleans(), ends=st.booleans())
    def end(self, stream: int, number: int, kept: bool, ends: bool) -> None:
        """A producer ends its stream, or a user cancels it."""
        node = self.node(number)
        if node is not None:
            name = f"{'k' if kept else 'u'}{stream}"
            if ends:
                found = self.result(node.calls.beat("p", name, 1))
                if found is not None:
                    self.result(node.calls.end("p", name, found.epoch, End("done")))
            else:
                self.result(node.calls.cancel("p", name, None))

    @rule(
        number=st.integers(0, 2),
        fuse=st.none() | st.tuples(st.integers(1, 12), st.booleans()),
        seconds=st.sampled_from((0.5, 3.0, 12.0)),
    )
    def kill(self, number: int, fuse: tuple[int, bool] | None, seconds: float) -> None:
        """A node dies, now or during one of its next calls."""
        node = self.node(number)
        if node is not None:
            if fuse is None:
                node.gate.isOpen = False
            self.blow(node, fuse)
            self.cluster.advance(seconds)

    def blow(self, node: Node, fuse: tuple[int, bool] | None) -> None:
        """
        Let a node die during one of its next calls.
        """
        if fuse is not None:
            node.gate.left, node.gate.takesLast = fuse

    @rule(number=st.integers(0, 2), seconds=st.sampled_from((0.5, 5.0, 12.0, 20.0)))
    def freeze(self, number: int, seconds: float) -> None:
        """A node does not get on for a while."""
        node = self.node(number)
        if node is not None:
            node.isFrozen = True
            self.cluster.advance(seconds)
            if node.gate.isOpen:
                self.cluster.thaw(node)

    @rule(name=st.sampled_from(NAMES))
    def restart(self, name: str) -> None:
        """A node that died is started again."""
        if name not in {node.name for node in self.cluster.alive}:
            self.cluster.start(name)

    @rule(seconds=st.sampled_from((0.5, 1.0, 4.0, 15.0)))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.cluster.advance(seconds)

    @rule()
    def hold(self) -> None:
        """The database takes its time, or answers."""
        store, history = self.cluster.history.answers, self.cluster.history
        if store.held is None:
            store.held, history.held = [], []
        else:
            self.release()

    def release(self) -> None:
        """
        Let the database do what waits.
        """
        store, history = self.cluster.history.answers, self.cluster.history
        held, store.held = store.held or [], None
        for call in held:
            call()
        history.release()

    def result(self, asked: Deferred[Any]) -> Any:
        """
        The result of a call; L{None} if it is refused, or has none yet.
        """
        found: list[Any] = []
        asked.addCallbacks(found.append, lambda failure: failure.trap(RealtimeError))
        return found[0] if found else None

    @invariant()
    def checkpointed(self) -> None:
        """Note what the database has."""
        for piece in self.cluster.history.answers.pieces.values():
            length = piece.base + len(piece.text)
            self.written[piece.answer] = max(self.written.get(piece.answer, 0), length)

    def teardown(self) -> None:
        """
        In the end each stream has ended at every watcher, and the database keeps what it had.
        """
        cluster = self.cluster
        self.release()
        for node in cluster.alive:
            node.gate.left = None
        if not cluster.alive:
            cluster.start("n0")
        cluster.advance(SETTLING)
        self.checkpointed()
        self.checkLog()
        self.checkHistory()
        for node in cluster.alive:
            left = [answer.id for answer in node.streams.answers]
            assert not left, f"{node.name} has {left} streaming"
        assert not cluster.history.answers.records, "the database has running streams"
        assert not any(cluster.open.values()), "the engine has running streams"

    def checkLog(self) -> None:
        """
        Every watcher has what the log has, in its order.
        """
        texts: dict[str, str] = {}
        running: set[str] = set()
        ended: set[str] = set()
        for publication in self.cluster.log:
            mark = publication.stream
            assert mark is not None
            name = mark.stream
            if publication.event == START:
                # A node that knew nothing of it may have let it begin again; but the database knows
                # of one that is kept.
                assert name not in ended or name[0] == "u", f"{name} begins again"
                running.add(name)
                texts.setdefault(name, "")
            elif mark.state:
                # A node may have died between noting a stream and publishing its beginning.
                assert name in running or name not in texts, f"{name} ends twice"
                running.discard(name)
                ended.add(name)
            else:
                assert name in running, f"text of {name} comes behind its end"
                assert mark.at <= len(texts[name]), f"{name} has a hole at {mark.at}"
                end = mark.at + len(mark.text)
                texts[name] = texts[name][: mark.at] + mark.text + texts[name][end:]
                assert WHOLE.startswith(texts[name]), f"{name} has {texts[name]!r}"
        assert not running, f"{running} never end"

    def checkHistory(self) -> None:
        """
        The history has the text that the database had, once.
        """
        kept = {each.message.id: each.message for each in self.cluster.history.messages}
        assert len(kept) == len(self.cluster.history.messages), "an end is kept twice"
        for record, length in self.written.items():
            assert record in kept, f"{record} is not kept"
            assert f'"text":"{WHOLE[:length]}'.encode() in kept[record].data, kept[record].data


class AdoptionModelTests(SynchronousTestCase):
    """
    Tests with random runs.
    """

    def test_model(self) -> None:
        """
        However nodes die, freeze and come back, every stream ends once, and no text is lost that
        the database had.
        """
        run_state_machine_as_test(
            AdoptionMachine,
            settings=settings(max_examples=60, stateful_step_count=25, deadline=None),
        )
