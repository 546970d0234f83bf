"""
What the server does for the token streams that have begun and not ended, each in one step: scripts
in Lua.

The set at the root has the runs of nodes that have such streams.  Each run has a set of its streams
beside it.
"""

from __future__ import annotations

from collections.abc import Mapping

OPENED = "open.opened"
DROP = "open.drop"

LIFE = 86_400
"""After how many seconds the server forgets the streams of a run that has begun none since.  No
stream lives so long."""

_OPENED = (
    f"local LIFE = {LIFE}\n"
    + """
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('SADD', KEYS[2], unpack(ARGV, 2))
redis.call('EXPIRE', KEYS[2], LIFE)
return 1
"""
)
"""
Notes streams.  Keys: the root, and the set of the run.  Arguments: the run, and the streams, at
least one.
"""

_DROP = """
if ARGV[2] then redis.call('SREM', KEYS[2], unpack(ARGV, 2)) end
if redis.call('SCARD', KEYS[2]) == 0 then redis.call('SREM', KEYS[1], ARGV[1]) end
return 1
"""
"""
Forgets streams, and a run that has none.  Keys and arguments: those of L{OPENED}; there may be no
streams.
"""

SCRIPTS: Mapping[str, str] = {OPENED: _OPENED, DROP: _DROP}
"""The text of each script, by its name."""
