"""
Runs a worker: C{python -m aerostack.workers}, as L{aerostack.workers.process} does.
"""

from __future__ import annotations

import sys

from aerostack.workers.worker.main import main

if __name__ == "__main__":
    main(sys.argv[1:])
