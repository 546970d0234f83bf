"""
The contract of what takes notice of refusals.
"""

from __future__ import annotations

from zope.interface import Interface


class IRefusals(Interface):
    """
    Takes notice of requests that were refused, for operators.
    """

    def note(refusal):
        """
        Note a refusal.

        @param refusal: A L{aerostack.core.diagnosis.refusals.Refusal}.
        """

    def list(project):
        """
        What this process knows of refused requests that named a project or no project.

        @return: C{refusals}, newest first, and their C{total}.
        """
