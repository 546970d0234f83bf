"""
What the server does for the streams of emitted events, each in one step: scripts in Lua.

Each topic that has such a stream has a key with the run of the node that has the stream.
"""

from __future__ import annotations

from collections.abc import Mapping

OWN = "emitted.own"
RENEW = "emitted.renew"
DISOWN = "emitted.disown"

_OWN = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] and owner ~= ARGV[2] then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
return ARGV[1]
"""
"""
Gives a topic to a run, unless another one has it.  Key: the topic's.  Arguments: the run, the run
whose place it takes (empty for none), and for how many seconds it has the topic.  Gives the owner.
"""

_RENEW = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
"""
Lets a run have a topic for longer, unless another one has it.  Key: the topic's.  Arguments: the
run, and for how many seconds it has the topic.
"""

_DISOWN = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""
"""
Takes a topic from a run that has it.  Key: the topic's.  Argument: the run.
"""

SCRIPTS: Mapping[str, str] = {OWN: _OWN, RENEW: _RENEW, DISOWN: _DISOWN}
"""The text of each script, by its name."""
