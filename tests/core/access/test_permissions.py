"""
Tests for L{aerostack.core.access.permissions}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.access.permissions import CLAIM, Action, Identity, Role, allowedByClaims
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError

CHAT = Topic("chat/general", "p")
ORDERS = Topic("table/orders", "p")

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


class CheckTests(SynchronousTestCase):
    """
    Tests for L{Identity.check}.
    """

    def refused(self, identity: Identity, action: Action, topic: Topic) -> RealtimeError:
        return self.assertRaises(RealtimeError, identity.check, action, topic)

    def test_everybody(self) -> None:
        """
        Every client may subscribe, publish and be present, unless a claim narrows it.
        """
        for role in Role:
            for action in (Action.SUBSCRIBE, Action.PUBLISH, Action.PRESENCE):
                Identity("p", role).check(action, CHAT)
            Identity("p", role).check(Action.SUBSCRIBE, ORDERS)

    def test_stream(self) -> None:
        """
        The secret key produces token streams on any topic, and a token on the topics that it names;
        nobody else does.
        """
        for role in Role:
            if role is Role.SECRET:
                Identity("p", role).check(Action.STREAM, CHAT)
            else:
                error = self.refused(Identity("p", role), Action.STREAM, CHAT)
                self.assertIn("topics.stream", error.message)
        allowed = allowedByClaims({CLAIM: {"stream": ["chat/*"]}})
        identity = Identity("p", Role.TOKEN, "ann", allowed=allowed)
        identity.check(Action.STREAM, CHAT)
        self.refused(identity, Action.STREAM, Topic("ai/1", "p"))
        self.refused(identity, Action.PUBLISH, CHAT)

    def test_otherProject(self) -> None:
        """
        No client may act in another project, not even with the secret key.
        """
        for role in Role:
            for action in Action:
                error = self.refused(Identity("p", role), action, Topic("chat/general", "q"))
                self.assertEqual(error.code, "wrong_project")

    def test_publishOnTable(self) -> None:
        """
        Only the secret key may publish on a table's topic.
        """
        for role in Role:
            if role is Role.SECRET:
                Identity("p", role).check(Action.PUBLISH, ORDERS)
            else:
                error = self.refused(Identity("p", role), Action.PUBLISH, ORDERS)
                self.assertEqual(error.code, "forbidden")

    def test_claimDoesNotOpenTables(self) -> None:
        """
        A token cannot allow publishing on a table's topic.
        """
        allowed = allowedByClaims({CLAIM: {"publish": ["**"]}})
        identity = Identity("p", Role.TOKEN, "ann", allowed=allowed)
        self.assertEqual(self.refused(identity, Action.PUBLISH, ORDERS).code, "forbidden")

    def test_narrowed(self) -> None:
        """
        Each action is allowed on the topics of its own patterns, by path, and an action
        without patterns nowhere.
        """
        allowed = allowedByClaims({CLAIM: {"subscribe": ["chat/*", "table/orders"], "publish": []}})
        identity = Identity("p", Role.TOKEN, "ann", allowed=allowed)
        identity.check(Action.SUBSCRIBE, CHAT)
        identity.check(Action.SUBSCRIBE, ORDERS)
        for action, topic in (
            (Action.SUBSCRIBE, Topic("chat/general/thread", "p")),
            (Action.SUBSCRIBE, Topic("table/users", "p")),
            (Action.PUBLISH, CHAT),
            (Action.PRESENCE, CHAT),
        ):
            error = self.refused(identity, action, topic)
            self.assertEqual(error.code, "forbidden")
            self.assertIn(action.value, error.message)
            self.assertIn(topic.path, error.message)


class ClaimsTests(SynchronousTestCase):
    """
    Tests for L{allowedByClaims}.
    """

    def test_absent(self) -> None:
        """
        Without the claim, or with null in it, everything is allowed but to produce token streams.
        """
        for claims in ({}, {CLAIM: None}, {"sub": "ann"}):
            allowed = allowedByClaims(claims)
            for action in Action:
                isAllowed = allowed[action].match("chat/x")
                self.assertEqual(isAllowed, action is not Action.STREAM)

    def test_empty(self) -> None:
        """
        An empty claim allows nothing.
        """
        allowed = allowedByClaims({CLAIM: {}})
        self.assertFalse(any(allowed[action].match("chat/x") for action in Action))

    def test_malformed(self) -> None:
        """
        A malformed claim is refused, and the message says where it is wrong.
        """
        for value, where in (
            ([], "object"),
            ("chat/*", "object"),
            (False, "object"),
            ({"publsih": []}, "publsih"),
            ({"publish": "chat/*"}, "topics.publish"),
            ({"presence": [1]}, "topics.presence"),
            ({"subscribe": None}, "topics.subscribe"),
        ):
            error = self.assertRaises(ValueError, allowedByClaims, {CLAIM: value})
            self.assertIn(where, str(error))

    @given(json)
    def test_any(self, value: Any) -> None:
        """
        Any JSON in the claim is accepted or refused, and never allows what it does not name.
        """
        try:
            allowed = allowedByClaims({CLAIM: value})
        except ValueError:
            return
        self.assertEqual(set(allowed), set(Action))
        for action in Action:
            if value is not None and not value.get(action.value):
                self.assertFalse(allowed[action].match("chat/x"))

    def test_fixed(self) -> None:
        """
        The allowed topics cannot be changed afterwards.
        """
        for claims in ({}, {CLAIM: {}}):
            with self.assertRaises(TypeError):
                allowedByClaims(claims)[Action.PUBLISH] = None
