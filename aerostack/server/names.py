"""
The names of nodes.
"""

from __future__ import annotations

from socket import gethostname

from aerostack.core.nodes.reports import NAME_LENGTH
from aerostack.settings.settings import Config


def nameOf(config: Config) -> str:
    """
    The name of the daemon among those that share an engine.
    """
    return config.server.name or gethostname()[:NAME_LENGTH]
