"""
What the server does for the leases of nodes, each in one step: scripts in Lua.

Times are those of the server's clock, so the clocks of nodes may differ.
"""

from __future__ import annotations

from collections.abc import Mapping

from aerostack.engine.valkey.rosterscripts import CLOCK, COMMON

LEASE = "roster.lease"
REAP = "roster.reap"
EXPIRE = "roster.expire"

_LEASE = (
    CLOCK
    + """
local nodes, dead = root .. ':nodes', root .. ':dead'
local run, serial, length, known = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local mayReap, grace, now = ARGV[5] == '1', tonumber(ARGV[6]), clock()
local state = 'ok'
local epoch = redis.call('HGET', root, 'epoch')
local stored = tonumber(redis.call('HGET', root, 's:' .. run) or nil)
if known ~= '' and (epoch ~= known or stored and stored < serial) then state = 'lost' end
if not epoch or (known == epoch and state == 'lost') then
  -- The data are gone, or older than what this node knows.  All nodes have to learn it.
  local time = redis.call('TIME')
  epoch = time[1] .. string.format('%06d', tonumber(time[2])) .. run
  redis.call('HSET', root, 'epoch', epoch)
end
if state == 'ok' and known ~= '' and not redis.call('ZSCORE', nodes, run) then state = 'gone' end
redis.call('HSET', root, 's:' .. run, text(serial + 1))
redis.call('ZADD', nodes, now + length, run)
redis.call('HDEL', dead, run)

local reaper, out = redis.call('HGET', root, 'reaper'), {state, epoch, '0'}
local alive = reaper and redis.call('ZSCORE', nodes, reaper)
if mayReap and not (alive and tonumber(alive) > now) then
  reaper = run
  redis.call('HSET', root, 'reaper', run)
end
if not mayReap or reaper ~= run then return out end
out[3] = '1'
for _, other in ipairs(redis.call('ZRANGEBYSCORE', nodes, '-inf', now, 'LIMIT', 0, 100)) do
  local til = tonumber(redis.call('ZSCORE', nodes, other)) + grace
  redis.call('ZREM', nodes, other)
  -- Nodes could not renew their leases while the server itself was away.
  til = math.max(til, now - tonumber(ARGV[7]) + length + grace)
  redis.call('HSET', dead, other, text(til))
end
local deadNodes = redis.call('HKEYS', dead)
for i = 1, math.min(#deadNodes, 100) do out[i + 3] = deadNodes[i] end
return out
"""
)
"""
Renews a node's lease, and says whether the data are those that the node knows: C{ok}, C{gone} (the
node was believed dead) or C{lost}.  One node, the reaper, gets the names of the dead nodes.

Key: the root.  Arguments: the node, its serial number, the lease's milliseconds, the epoch that the
node knows (empty at first), whether it may be the reaper, the milliseconds for which lost members
stay, for how many milliseconds the node has been connected.
"""

_REAP = (
    COMMON
    + """
local other, of = ARGV[1], root .. ':of:' .. ARGV[1]
local til = redis.call('HGET', root .. ':dead', other)
if not til then return 0 end
local all = redis.call('ZRANGE', of, 0, PIECE - 1)
for _, each in ipairs(all) do
  local conn, p = string.match(each, '^(%S+) %S+ (.*)$')
  local key, m = held(p, conn)
  if key and m.node == other then
    lose(p, key, m, tonumber(til))
  else
    redis.call('ZREM', of, each)
  end
end
-- What the node sent late may still come.
if #all == 0 and tonumber(til) + 60000 < clock() then
  redis.call('HDEL', root .. ':dead', other)
  redis.call('HDEL', root, 's:' .. other)
end
return #all
"""
)
"""
Notes that connections of a dead node are lost, as many as one step may.

Key: the root.  Argument: the dead node.
"""

_EXPIRE = (
    COMMON
    + """
local all = redis.call('ZRANGEBYSCORE', due, '-inf', clock(), 'LIMIT', 0, PIECE)
for _, each in ipairs(all) do
  local key, p = string.match(each, '^(%S+) (.*)$')
  local m = read(p, key)
  if m and m.holder == '-' then drop(p, key, m, ARGV[1]) else redis.call('ZREM', due, each) end
end
return #all
"""
)
"""
Ends the presence of members whose grace is over, as many as one step may.

Key: the root.  Argument: the node.
"""

SCRIPTS: Mapping[str, str] = {LEASE: _LEASE, REAP: _REAP, EXPIRE: _EXPIRE}
"""The text of each script, by its name."""
