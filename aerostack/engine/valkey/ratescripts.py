"""
What the server does for the rates of projects that nodes share, in one step: a script in Lua.

The hash of a project has the tokens of its two buckets, below 0 if they are owed, and when that was
so, by the server's clock.
"""

from __future__ import annotations

from collections.abc import Mapping

from aerostack.core.limits.quotas import BURST

SETTLE = "rates.settle"

LIFE = 60_000
"""After how many milliseconds the server forgets a project that sends nothing: much longer than an
empty bucket takes to be full."""

_SETTLE = (
    f"local BURST, LIFE = {BURST}, {LIFE}\n"
    + """
local time, out = redis.call('TIME'), {}
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
for i, key in ipairs(KEYS) do
  local state = redis.call('HMGET', key, 'at', 'frames', 'bytes')
  local passed = math.max(0, now - (tonumber(state[1] or nil) or now))
  local levels = {}
  for kind = 1, 2 do
    local rate = tonumber(ARGV[4 * i - 4 + kind])
    local spent = tonumber(ARGV[4 * i - 2 + kind])
    local burst = rate * BURST
    local level = tonumber(state[1 + kind] or nil) or burst
    level = math.min(burst, level + passed * rate) - spent
    -- What one node owes must not stop all for long.
    levels[kind] = string.format('%.6f', math.max(level, -burst))
  end
  redis.call('HSET', key, 'at', string.format('%.6f', now), 'frames', levels[1], 'bytes', levels[2])
  redis.call('PEXPIRE', key, LIFE)
  out[2 * i - 1], out[2 * i] = levels[1], levels[2]
end
return out
"""
)
"""
Takes what a node has spent from the buckets of projects, and gives what these have then: frames and
bytes of each project.

Keys: those of the projects.  Arguments: for each, the rates of frames and bytes, and what was spent
of each; a rate of 0 is no limit.
"""

SCRIPTS: Mapping[str, str] = {SETTLE: _SETTLE}
"""The text of the script, by its name."""
