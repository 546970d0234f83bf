"""
Random tests for L{aerostack.tracker.emitting}.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracker.emitted import EmittedCase, Outside

FATES = st.lists(
    st.sampled_from(["", "", "", "failed", "doubtful", "later", "killed", "killed after"]),
    max_size=25,
)


STEPS = st.lists(
    st.tuples(st.sampled_from(["chat/a", "chat/b"]), st.booleans(), st.booleans()), max_size=12
)
"""For each event its topic, whether it is to be kept, and whether the daemon works before the next
one is emitted."""


class AloneModelTests(EmittedCase):
    """
    Tests with random faults, for a daemon that is alone.
    """

    def check(self, fates: list[str], steps: list[tuple[str, bool, bool]]) -> None:
        """
        Emit events while calls fail and the daemon is killed, and check what comes.
        """
        self.outside = Outside(self.isShared)
        self.restart()
        self.outside.fates = iter(fates)
        emitted: list[tuple[str, str]] = []
        kept: list[str] = []
        wasKilled = False
        for topic, persist, works in [*steps, *[("chat/a", False, True)] * 12]:
            name = self.outside.emit(topic, persist)
            emitted.append((f"{topic}/p", name))
            kept += [name] * persist
            if works:
                self.clock.advance(3)
                self.turn(8)
                if self.outside.isDead:
                    wasKilled = True
                    self.restart()
        self.outside.fates = iter(())
        for _ in range(4):
            self.clock.advance(3)
            self.turn()
        self.flushLoggedErrors(ConnectionError)
        self.assertEqual(self.outside.rows, [])
        self.assertEqual(sorted(self.outside.kept), sorted(kept))
        for topic in ("chat/a/p", "chat/b/p"):
            here = [name for where, name in emitted if where == topic]
            told = [name for where, name in self.outside.told if where == topic]
            self.assertEqual(told, [name for name in here if name in told])
            # What a daemon had in its hands when it was killed can come from the history only.
            if self.isShared or not wasKilled:
                self.assertEqual(told, here)
            mine = [name for name in self.outside.kept if name in here]
            self.assertEqual(mine, [name for name in here if name in kept])

    @settings(max_examples=300, deadline=None)
    @given(FATES, STEPS)
    def test_model(self, fates: list[str], steps: list[tuple[str, bool, bool]]) -> None:
        """
        Whatever fails, and whenever the daemon is killed: no event comes twice, those of a topic
        come in the order of the commits, each is kept once that is to be kept, and none is missing
        unless the daemon was killed.
        """
        self.check(fates, steps)


class SharedModelTests(AloneModelTests):
    """
    Tests with random faults, for a daemon with an engine: not even a kill loses an event.
    """

    isShared = True
