"""
The contract of what keeps the revocations of tokens.
"""

from __future__ import annotations

from zope.interface import Interface


class IRevocationStore(Interface):
    """
    Keeps revocations, for the daemon's next start and for the other nodes on the same database.
    """

    def keep(revocation):
        """
        Keep a revocation, joined with an earlier one of the same tokens.

        @param revocation: An L{aerostack.core.access.removals.Revocation}.
        @return: A L{Deferred} that fires after the commit.  Fails with L{RealtimeError}
            C{database_unavailable}.
        """

    def read(projects, now):
        """
        Read the revocations that have not ended.

        @param projects: The ids of the projects to read.
        @param now: Milliseconds since the epoch.
        @return: A L{Deferred} of a list of L{aerostack.core.access.removals.Revocation}, at
            most as many for each project as a project may have.  Fails with L{RealtimeError}
            C{database_unavailable}.
        """

    def forget(now):
        """
        Delete some of the revocations that have ended.

        @param now: Milliseconds since the epoch.
        @return: A L{Deferred}.  Fails with L{RealtimeError} C{database_unavailable}.
        """
