"""
The presence of this client on a topic: what the application wants, and what the daemon was sent.
"""

from __future__ import annotations

from msgspec import Raw

from aerostack.protocol.codec import encodeValue

PRESENCE = ("track", "untrack")
"""The types of the frames that say how this client is present."""


class Tracking:
    """
    Keeps the daemon's idea of this client's presence the same as the application's.
    """

    def __init__(self, topic: str) -> None:
        """
        @param topic: The topic, as the application writes it.
        """
        self._topic = topic
        # The state, as JSON, and whether the daemon was sent that.
        self._state: bytes | None = None
        self._isSent = True
        # Whether this connection was sent a presence frame of this topic.
        self._spoke = False
        self._isPostponed = False

    @property
    def wanted(self) -> bool:
        """Whether the application wants to be present."""
        return self._state is not None

    @property
    def idle(self) -> bool:
        """Whether the client is not present, and the daemon knows that."""
        return self._isSent and not self.wanted

    @property
    def pending(self) -> bool:
        """Whether there is a frame to send."""
        return not (self._isSent or self._isPostponed)

    def set(self, state: bytes | None) -> bool:
        """
        Be present, or be present no more.

        @param state: A JSON object; L{None} to be present no more.
        @return: Whether that changes anything.
        """
        if state is None and not self.wanted:
            return False
        self._state, self._isSent = state, False
        return True

    def next(self) -> bytes:
        """
        Take the frame that is L{pending}, as JSON.  The caller sends it.
        """
        self._isSent = self._spoke = True
        return self._frame()

    def _frame(self) -> bytes:
        if self._state is None:
            return encodeValue({"type": "untrack", "topic": self._topic})
        track = {"type": "track", "topic": self._topic, "state": Raw(self._state), "sync": True}
        return encodeValue(track)

    def postpone(self) -> None:
        """
        The daemon refused the frame for now: send none until L{again} is called.
        """
        self._isSent, self._isPostponed = False, True

    def again(self) -> None:
        """
        Send the frame that was postponed.
        """
        self._isPostponed = False

    def doubt(self) -> None:
        """
        The daemon refused a frame for now, perhaps one of these: send the state again.
        """
        if self._spoke:
            self._isSent = False

    def tooLarge(self, most: int) -> bool:
        """
        The daemon takes no larger frames: give up the state if its frame is larger.

        @param most: The bytes that a frame may have.
        @return: Whether it was larger.
        """
        if not self.wanted or len(self._frame()) <= most:
            return False
        self._state, self._isSent = None, True
        return True

    def tokenChanged(self) -> None:
        """
        The client has another token.  The daemon may have ended the presence of the user before,
        so it gets the state again.
        """
        if self.wanted:
            self._isSent = False

    def closed(self) -> None:
        """
        The connection is closed.
        """
        self._isSent = not self.wanted
        self._spoke = self._isPostponed = False
