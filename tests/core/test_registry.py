"""
Tests for L{aerostack.core.registry}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.filters import Filter, parseFilter
from aerostack.core.registry import Registry

subscribers = st.integers(0, 3)
topics = st.sampled_from(["a/p", "b/p", "c/p"])
filters = st.sampled_from([None, parseFilter({"id": 1}), parseFilter({"id": 2})])


class RegistryMachine(RuleBasedStateMachine):
    """
    A registry beside one list of subscriptions, in the order in which they began.
    """

    def __init__(self) -> None:
        super().__init__()
        self.registry: Registry[int] = Registry()
        self.model: dict[tuple[int, str], Filter | None] = {}

    @rule(subscriber=subscribers, topic=topics, filter=filters)
    def subscribe(self, subscriber: int, topic: str, filter: Filter | None) -> None:
        new = self.registry.subscribe(subscriber, topic, filter)
        assert new == ((subscriber, topic) not in self.model)
        self.model[subscriber, topic] = filter

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
        for subscriber in range(5):
            mine = [t for s, t in self.model if s == subscriber]
            assert list(self.registry.topicsOf(subscriber)) == mine
            assert self.registry.count(subscriber) == len(mine)
        assert set(self.registry) == {t for _, t in self.model}
        assert len(self.registry) == len({t for _, t in self.model})

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
        Whatever happens, both ways of asking agree with one list of subscriptions.
        """
        run_state_machine_as_test(RegistryMachine)

    def test_topicsWhileLeaving(self) -> None:
        """
        Somebody's topics can be left one by one while they are walked.
        """
        registry: Registry[str] = Registry()
        for topic in ("a/p", "b/p"):
            registry.subscribe("ann", topic)
        for topic in registry.topicsOf("ann"):
            registry.unsubscribe("ann", topic)
        self.assertEqual(len(registry), 0)
