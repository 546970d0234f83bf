"""
Compares presence over two nodes on a real server with L{aerostack.core.presence}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.presence import Member, Presence, Tracked
from aerostack.engine.valkey.leasescripts import EXPIRE
from aerostack.engine.valkey.roster import ValkeyRoster
from tests.engine.rostercontract import LONG, OTHER, TOPIC, RosterNode
from tests.engine.valkey.blocking import BlockingLink
from tests.engine.valkey.rosters import SCRIPTS
from tests.engine.valkey.server import ValkeyServer, sharedServer

ROOT = "ar1:presence"
TOPICS = (TOPIC, OTHER)
topics = st.sampled_from(TOPICS)
users = st.sampled_from(["ann", "bob", None])
numbers = st.integers(0, 7)


class RosterMachine(RuleBasedStateMachine):
    """
    Two nodes do what the model does.  After each act every node has the members of the model, and
    the events that its subscribers got add up to them.
    """

    server: ValkeyServer

    def __init__(self) -> None:
        super().__init__()
        self.server.flush()
        self.clock = Clock()
        self.model = Presence(LONG)
        self.now = 0
        self.runs = 0
        self.count = 0
        self.nodes = [self.start(), self.start()]
        # By connection, its node and its user.
        self.open: dict[str, tuple[RosterNode, str | None]] = {}

    def start(self) -> RosterNode:
        """
        Start a node.
        """
        self.runs += 1
        node = RosterNode()
        roster = ValkeyRoster(self.clock, lambda: 1_000, f"n{self.runs}", LONG, lease=LONG)
        link: Any = BlockingLink(self.server, SCRIPTS)
        link.user = roster
        roster.begin(link)
        roster.join(lambda topic: None, node.tell)
        roster.start()
        node.roster, node.members = roster, roster.rosters
        link.up()
        for topic in TOPICS:
            attached = roster.attach(topic)
            self.clock.advance(0)
            assert attached.called
            for member in node.names(topic):
                node.told.append((topic, "join", self.memberOf(node, topic, member)))
        return node

    def memberOf(self, node: RosterNode, topic: str, name: str) -> Member:
        """
        A member that a node has.
        """
        return next(each for each in node.members.members(topic) if each.connectionId == name)

    def pick(self, number: int) -> str | None:
        """
        One of the open connections.
        """
        names = sorted(self.open)
        return names[number % len(names)] if names else None

    @rule(which=st.integers(0, 1), user=users, topic=topics)
    def come(self, which: int, user: str | None, topic: str) -> None:
        """
        A user connects to a node, and is present.
        """
        self.count += 1
        name = f"c{self.count:04d}"
        self.open[name] = self.nodes[which], user
        self.ask(name, topic, b"0")

    @rule(number=numbers, topic=topics, state=st.sampled_from([b"0", b"1"]))
    def track(self, number: int, topic: str, state: bytes) -> None:
        """
        A connection is present on a topic, or changes its state.
        """
        name = self.pick(number)
        if name is not None:
            self.ask(name, topic, state)

    def ask(self, name: str, topic: str, state: bytes) -> None:
        node, user = self.open[name]
        answers: list[Tracked] = []
        node.track(name, user, state, topic).addCallback(answers.append)
        assert answers == [self.model.track(topic, name, user, state, 1_000)]
        assert answers[0].member.connectionId in node.names(topic)

    @rule(number=numbers, topic=topics, how=st.sampled_from(["untrack", "leave", "lose"]))
    def end(self, number: int, topic: str, how: str) -> None:
        """
        A connection ends its presence, closes or breaks.
        """
        name = self.pick(number)
        if name is not None:
            self.do(name, topic, how)

    def do(self, name: str, topic: str, how: str) -> None:
        node, _ = self.open[name]
        if how == "untrack":
            node.roster.untrack(topic, name)
            self.model.untrack(topic, name)
            return
        del self.open[name]
        if how == "leave":
            node.roster.leave(name)
            self.model.leave(name)
        else:
            node.roster.lose(name)
            self.lost(name)

    def lost(self, name: str) -> None:
        self.now += 1
        self.model.lose(name, self.now)

    @rule(number=numbers, topic=topics, how=st.sampled_from(["untrack", "leave", "lose"]))
    def cut(self, number: int, topic: str, how: str) -> None:
        """
        A connection ends its presence, closes or breaks while its node has no line.
        """
        name = self.pick(number)
        if name is not None:
            node, _ = self.open[name]
            node.roster._link.down()
            self.do(name, topic, how)
            node.roster._link.up()

    @rule(which=st.integers(0, 1), user=st.sampled_from(["ann", "bob"]))
    def remove(self, which: int, user: str) -> None:
        """
        A user is removed.
        """
        self.nodes[which].roster.remove("p", user)
        self.model.giveUp("p", user)

    @rule()
    def expire(self) -> None:
        """
        The grace of all lost members is over.
        """
        for each in self.server.execute("ZRANGE", f"{ROOT}:due", 0, -1):
            self.server.execute("ZADD", f"{ROOT}:due", 0, each)
        asked: Deferred[int] = self.nodes[0].roster._link.run(EXPIRE, [ROOT.encode()], [b"n"])
        assert asked.called
        self.model.expire(self.now + LONG)

    @rule(which=st.integers(0, 1))
    def die(self, which: int) -> None:
        """
        A node dies, and another one is started in its place.
        """
        dead, other = self.nodes[which], self.nodes[1 - which]
        dead.roster.stop()
        dead.roster._link._line.close()
        run = dead.roster._run
        self.server.execute("ZREM", f"{ROOT}:nodes", run)
        until = int(self.server.execute("TIME")[0]) * 1_000 + int(LONG * 1_000)
        self.server.execute("HSET", f"{ROOT}:dead", run, until)
        reaping = other.roster._lease.reap((run.encode(),), other.roster._link.generation)
        assert Deferred.fromCoroutine(reaping).called
        for name in sorted(self.open):
            if self.open[name][0] is dead:
                del self.open[name]
                self.lost(name)
        self.nodes[which] = self.start()

    @rule()
    def flush(self) -> None:
        """
        The server loses all data: what was lost leaves after grace and lease.
        """
        self.server.flush()
        for _ in range(2):
            self.clock.advance(1)
        self.model.expire(self.now + LONG)
        # A node that learns of the loss from another one begins its time anew.
        while any(node.members.isFrozen for node in self.nodes):
            self.clock.advance(LONG)

    @invariant()
    def agree(self) -> None:
        """
        Every node has the members of the model.
        """
        for node in self.nodes:
            node.roster._link.poll()
        for node in self.nodes:
            for topic in TOPICS:
                wanted = {each.connectionId: each for each in self.model.members(topic)}
                there = {each.connectionId: each for each in node.members.members(topic)}
                assert there == wanted, (there, wanted)
                told: dict[str, Member] = {}
                for name, event, member in node.told:
                    if name == topic:
                        assert (event == "join") == (member.connectionId not in told)
                        told[member.connectionId] = member
                        if event == "leave":
                            del told[member.connectionId]
                assert told == wanted

    def teardown(self) -> None:
        for node in self.nodes:
            node.roster.stop()
            node.roster._link._line.close()


class ModelTests(SynchronousTestCase):
    """
    Presence over several nodes is what it is in memory.
    """

    def test_model(self) -> None:
        """
        Two nodes on a server have the members of the model, and tell their subscribers each change
        once, through deaths of nodes, cut lines and lost data.
        """
        RosterMachine.server = sharedServer(self)
        run_state_machine_as_test(
            RosterMachine,
            settings=settings(
                max_examples=10,
                stateful_step_count=15,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
