"""
The effect of hostile clients on the daemon: its longest turns, and its memory.
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
