"""
Finds the files that are shipped beside the code: units, configurations, descriptions.
"""

from __future__ import annotations

from pathlib import Path

from aerostack.cli.options import CommandError
from aerostack.net.http.beside import FOLDER, findBeside


def shipped(name: str) -> Path:
    """
    Find a file.

    @param name: See L{findBeside}.
    @raise CommandError: The installation lacks the file.
    """
    found = findBeside(name)
    if found is None:
        raise CommandError(
            f"this installation lacks {FOLDER}/{name}; install aerostack-rt with pip"
        )
    return found
