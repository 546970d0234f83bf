"""
The contract of what keeps running answers for the daemon's next start.
"""

from __future__ import annotations

from zope.interface import Interface


class IAnswerStore(Interface):
    """
    Keeps the answers that run.

    The end of an answer is a message: L{IHistory.append
    <aerostack.interfaces.messaging.IHistory.append>} keeps it, and deletes what this store has of
    the answer in the same transaction, if the message says that it ends one.

    The calls have their effect in the order in which they are made.
    """

    def write(checkpoint):
        """
        Keep what is new of the answers.  Writing the same again, or pieces that overlap, changes
        nothing.  What a checkpoint has of an answer whose end is kept is left out.

        @param checkpoint: An L{aerostack.core.answers.checkpoints.Checkpoint}.
        @return: A L{Deferred} that fires after the commit.  Fails with L{RealtimeError}
            C{database_unavailable}; it may have been committed all the same.
        """

    def forget(answers):
        """
        Delete answers whose end is not kept in the history.

        @param answers: The C{id} of each one's record.
        @return: A L{Deferred} that fires after the commit.  Fails with L{RealtimeError}
            C{database_unavailable}.
        """

    def load(node):
        """
        Read the answers that a daemon has left.

        @param node: The name of the daemon; L{None} for all daemons.
        @return: A L{Deferred} of a list of L{aerostack.core.answers.checkpoints.StoredAnswer}.
            Fails with L{RealtimeError} C{database_unavailable}.
        """
