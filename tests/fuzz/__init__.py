"""
Random runs of the real parts, compared with models, from seeds.

C{make test} runs a few short runs with fixed seeds, so that only a change of the code changes the
result.  C{make fuzz} runs other seeds each time, for C{FUZZ_SECONDS}.  A run that fails names its
seed; C{FUZZ_SEED} repeats that run.
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
    Return the seeds for a fuzzer.

    @param count: How many seeds to use in an ordinary run of the tests: 0, 1, 2 and so on.
    @return: These seeds; or the one of C{FUZZ_SEED}; or random ones for C{FUZZ_SECONDS} seconds.
    """
    if FUZZ_SEED is not None:
        yield int(FUZZ_SEED)
    elif FUZZ_SECONDS:
        end = time.monotonic() + FUZZ_SECONDS
        while time.monotonic() < end:
            yield random.getrandbits(32)
    else:
        yield from range(count)
