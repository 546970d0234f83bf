"""
What clients can do to the daemon: how long its turns become, and how much memory it takes.
"""

from __future__ import annotations

import sys

import memory
import turns


def main() -> int:
    """
    Print both tables.
    """
    missed = turns.main()
    print()
    return memory.main() or missed


if __name__ == "__main__":
    sys.exit(main())
