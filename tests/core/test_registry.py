"""
Tests for L{aerostack.core.registry}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.registry import Registry
from aerostack.core.rows.changes import INSERT, UPDATE, Change
from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.views import View, classify, parseView

subscribers = st.integers(0, 3)
topics = st.sampled_from(["a/p", "b/p", "c/p"])
COLUMNS = {"id": ColumnType.NUMBER}
VIEWS = [
    parseView(COLUMNS, wanted, None, event)
    for wanted, event in (
        (None, None),
        ({"id": 1}, None),
        ({"id": 2}, None),
        ({"id": {"in": [2, 3]}}, None),
        ({"id": {"gt": 1}}, None),
        (None, "INSERT"),
    )
]
views = st.none() | st.sampled_from(VIEWS)

CHANGES = [
    Change(seq, "a", INSERT if old is None else UPDATE, {"id": new}, old and {"id": old}, 7)
    for seq, (new, old) in enumerate([(1, None), (2, None), (3, 1), (2, 3), (4, 4)])
]


class RegistryMachine(RuleBasedStateMachine):
    """
    Compares a registry with one list of subscriptions, in the order in which they began.
    """

    def __init__(self) -> None:
        super().__init__()
        self.registry: Registry[int] = Registry()
        self.model: dict[tuple[int, str], View | None] = {}

    @rule(subscriber=subscribers, topic=topics, view=views)
    def subscribe(self, subscriber: int, topic: str, view: View | None) -> None:
        new = self.registry.subscribe(subscriber, topic, view)
        assert new == ((subscriber, topic) not in self.model)
        self.model[subscriber, topic] = view

    @rule(subscriber=subscribers, topic=topics)
    def unsubscribe(self, subscriber: int, topic: str) -> None:
        was = self.registry.unsubscribe(subscriber, topic)
        assert was == ((subscriber, topic) in self.model)
        self.model.pop((subscriber, topic), None)

    @invariant()
    def agree(self) -> None:
        for topic in ("a/p", "b/p", "c/p", "none/p"):
            expected = [(s, f) for (s, t), f in self.model.items() if t == topic]
            assert list(self.registry.subscribers(topic).items()) == expected
            assert (topic in self.registry) == bool(expected)
            for view in VIEWS:
                assert set(self.registry.group(topic, view)) == {
                    s for s, v in expected if v == view
                }
            groups = list(self.registry.groups(topic))
            assert groups == [(v, self.registry.group(topic, v)) for v, _ in groups]
            # Each subscriber is in exactly one group.
            assert sorted(s for _, g in groups for s in g) == sorted(s for s, _ in expected)
            self._checkConcerned(topic, dict(expected))
        for subscriber in range(5):
            mine = [t for s, t in self.model if s == subscriber]
            assert list(self.registry.topicsOf(subscriber)) == mine
            assert self.registry.count(subscriber) == len(mine)
        assert set(self.registry) == {t for _, t in self.model}
        assert len(self.registry) == len({t for _, t in self.model})

    def _checkConcerned(self, topic: str, expected: dict[int, View | None]) -> None:
        for change in CHANGES:
            concerned = list(self.registry.concerned(topic, change))
            told = [s for v, g in concerned if v is None or classify(change, v) for s in g]
            assert sorted(told) == sorted(
                s for s, v in expected.items() if v is None or classify(change, v)
            )
            # It is by the identity of its subscribers that a pass goes on.
            assert all(g is self.registry.group(topic, v) for v, g in concerned)

    def teardown(self) -> None:
        # Nothing may stay behind of those who are gone.
        for subscriber, topic in self.model:
            assert self.registry.unsubscribe(subscriber, topic)
        assert vars(self.registry) == vars(Registry())


class RegistryTests(SynchronousTestCase):
    """
    Tests for L{Registry}.
    """

    def test_model(self) -> None:
        """
        The subscribers of a topic and the topics of a subscriber agree with one list of
        subscriptions at any time.
        """
        run_state_machine_as_test(RegistryMachine)

    def test_order(self) -> None:
        """
        The subscribers with the same view come in the order in which they joined their group.
        """
        registry: Registry[str] = Registry()
        for subscriber, view in (("bob", 0), ("ann", 0), ("cyd", 1), ("dan", 0), ("bob", 1)):
            registry.subscribe(subscriber, "a/p", VIEWS[view])
        self.assertEqual(registry.group("a/p", None), ("ann", "dan"))
        self.assertEqual(registry.group("a/p", VIEWS[1]), ("cyd", "bob"))

    def test_others(self) -> None:
        """
        A subscriber that joins or leaves changes only the group of its own view.
        """
        registry: Registry[str] = Registry()
        for subscriber, view in (("ann", 0), ("bob", 1), ("cyd", 2)):
            registry.subscribe(subscriber, "a/p", VIEWS[view])
        before = [registry.group("a/p", view) for view in VIEWS[:3]]
        registry.subscribe("dan", "a/p", VIEWS[1])
        registry.subscribe("ann", "a/p", None)
        registry.unsubscribe("cyd", "a/p")
        after = [registry.group("a/p", view) for view in VIEWS[:3]]
        self.assertIs(after[0], before[0])
        self.assertEqual(after[1:], [("bob", "dan"), ()])

    def test_topicsWhileLeaving(self) -> None:
        """
        The topics of a subscriber can be left one by one in a loop over them.
        """
        registry: Registry[str] = Registry()
        for topic in ("a/p", "b/p"):
            registry.subscribe("ann", topic)
        for topic in registry.topicsOf("ann"):
            registry.unsubscribe("ann", topic)
        self.assertEqual(len(registry), 0)
