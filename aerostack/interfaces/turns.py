"""
What a reactor may offer besides Twisted's interfaces.
"""

from __future__ import annotations

from zope.interface import Interface


class ITurns(Interface):
    """
    A reactor that calls functions at the end of a turn without a timer for each.  Setting and
    calling a timer takes a tenth of the time of a small publication.
    """

    def callAtTurnEnd(function):
        """
        Call a function once.  If the reactor serves sockets now, it calls the function when it has
        served all that are ready in this turn; else it calls the function soon.
        """
