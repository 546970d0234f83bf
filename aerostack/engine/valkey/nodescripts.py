"""
What the server does for the list of nodes, each in one step: scripts in Lua.

The sorted set C{seen} has when each run of a node was last heard, by the server's clock.  The hash
C{reports} has the newest report of each, and C{descriptions} what must be the same at all.  C{key}
is a secret that all nodes share.
"""

from __future__ import annotations

from collections.abc import Mapping

REPORT = "nodes.report"
LEAVE = "nodes.leave"

MOST = 256
"""How many nodes the server names: those that were heard last."""

_COMMON = """
local root, run = KEYS[1], ARGV[1]
local seen, reports = root .. ':seen', root .. ':reports'
local descriptions = root .. ':descriptions'

local function forget(other)
  redis.call('ZREM', seen, other)
  redis.call('HDEL', reports, other)
  redis.call('HDEL', descriptions, other)
end
"""

_REPORT = (
    _COMMON
    + f"local MOST = {MOST}\n"
    + """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local name, lease, remembered = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('ZADD', seen, now, run)
redis.call('HSET', reports, run, ARGV[2])
if ARGV[6] ~= '' then redis.call('HSET', descriptions, run, ARGV[6]) end
redis.call('SET', root .. ':key', ARGV[7], 'NX')
local out = {redis.call('HEXISTS', descriptions, run), redis.call('GET', root .. ':key')}
local all = redis.call('ZREVRANGE', seen, 0, MOST - 1, 'WITHSCORES')
for i = 1, #all, 2 do
  local other, age = all[i], now - tonumber(all[i + 1])
  local report = redis.call('HGET', reports, other)
  local isGone = not report or age > remembered
  if report and age > lease then
    -- A node that was started again takes the place of its earlier run.
    local read, found = pcall(cjson.decode, report)
    isGone = isGone or not read or found.name == name
  end
  if isGone then
    forget(other)
  else
    out[#out + 1] = other
    out[#out + 1] = string.format('%.0f', math.max(age, 0))
    out[#out + 1] = report
  end
end
for _, other in ipairs(redis.call('ZREVRANGE', seen, MOST, 2 * MOST)) do forget(other) end
return out
"""
)
"""
Takes a node's report.  Gives 1 if the server has the node's description, else 0; the secret that
all nodes share; and behind it the reports of all nodes: for each the run, the milliseconds since it
was heard, and the report.  Nodes that were not heard for long are forgotten.

Key: the root.  Arguments: the run, the report, the node's name, the milliseconds of a lease, the
milliseconds for which a silent node is remembered, the description, which is empty if the server
has it, and the secret that this node has, for a server that has none.
"""

_LEAVE = _COMMON + "forget(run)\nreturn 1\n"
"""
Forgets a node that stops.  Key: the root.  Argument: the run.
"""

SCRIPTS: Mapping[str, str] = {REPORT: _REPORT, LEAVE: _LEAVE}
"""The text of each script, by its name."""
