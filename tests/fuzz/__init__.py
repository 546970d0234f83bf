"""
Random runs of the real parts against models, from seeds.

C{make test} tries a few short runs with seeds that never change, so that a result speaks
of the code.  C{make fuzz} tries other seeds each time, for as long as C{FUZZ_SECONDS}
says.  A run that fails names its seed; C{FUZZ_SEED} tries that one again.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

FUZZ_SEED = os.environ.get("FUZZ_SEED")
FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))


def seeds(count: int) -> Iterator[int]:
    """
    The seeds that a fuzzer is to try.

    @param count: How many to try in an ordinary run of the tests: 0, 1, 2 and so on.
    @return: Those; or the one of C{FUZZ_SEED}; or random ones for C{FUZZ_SECONDS} seconds.
    """
    if FUZZ_SEED is not None:
        yield int(FUZZ_SEED)
    elif FUZZ_SECONDS:
        end = time.monotonic() + FUZZ_SECONDS
        while time.monotonic() < end:
            yield random.getrandbits(32)
    else:
        yield from range(count)
