"""
The contract of what clients and projects share: places for connections and subscriptions, and the
rates of projects.
"""

from __future__ import annotations

from zope.interface import Interface


class IPlace(Interface):
    """
    The place of one connection, from the moment at which it is admitted.
    """

    def enter(project):
        """
        Count the connection to a project.

        @return: L{None} if it is counted now; else a L{Deferred} that fires with L{None} when it
            is, or fails with the same errors.
        @raise RealtimeError: C{too_many_connections}: the project has too many connections.
        """

    def leave():
        """
        Give the place back, also while L{enter} goes on.  Further calls do nothing.
        """


class IShares(Interface):
    """
    Counts what addresses, projects and the whole daemon use, on all processes of a machine, and
    enforces their limits.

    What was taken is given back exactly once.  A caller that does not want any more what it waits
    for gives it back when it comes.
    """

    def admit(address):
        """
        Take a place for one more connection, by the number of all connections, the number of an
        address, and the rate of new connections.

        @param address: See L{aerostack.settings.addresses}; L{None} if it is not counted.
        @return: An L{IPlace}; or a L{Deferred} of one, which fails with the same errors.
        @raise RealtimeError: C{too_many_connections} or C{overloaded}.
        """

    def subscribe(project):
        """
        Count one more subscription of a project.

        @return: L{None} if it is counted now; else a L{Deferred} that fires with L{None} when it
            is, or fails with the same errors.
        @raise RealtimeError: C{too_many_subscriptions}.
        """

    def unsubscribe(project):
        """
        Count one subscription of a project less.
        """

    def spend(project, size, now):
        """
        Take a frame or a request from the project's rate.

        @param size: Its bytes.
        @param now: The clock's time, seconds.
        @raise RealtimeError: C{rate_limited}: the project sends too fast, and nothing was taken.
        """
