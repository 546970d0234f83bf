"""
What the server does for the values of keyed topics, each in one step: scripts in Lua.

A topic has a hash of its values by key, a sorted set of the keys by the numbers of their newest
changes, and a hash of what else is known: the number of the newest change C{n}, how many bytes the
values have C{s}, the epoch of the log for which they were compared with the database C{r}, and how
many reservations have run out C{x}.  While a node has a value of a key kept, that hash has the
publication's tag and until when, under C{l:} and the key.  Meanwhile no other publication on the
key enters the log, except one that was kept before and comes late.  The last hash lives on for an
hour when the topic has no value any more.

A project has a hash of how many bytes the values of all its topics have C{s}, and how many of them
each topic counts for, by the name of the topic's hash of values.
"""

from __future__ import annotations

from collections.abc import Mapping

RESERVE = "keyed.reserve"
RELEASE = "keyed.release"
MERGE = "keyed.merge"
PAGE = "keyed.page"
FIND = "keyed.find"

RUN_OUT = b"x"
"""The field of the hash of what else is known that counts the reservations that have run out."""

FULL_OF_KEYS, FULL_OF_BYTES, FULL_OF_MEMORY = b"fk", b"fb", b"fp"
"""How scripts say that the topic has as many keys or bytes of values as it may have, or that the
project has as many bytes."""

FULL = frozenset((FULL_OF_KEYS, FULL_OF_BYTES, FULL_OF_MEMORY))
"""All codes of scripts that say that there is no room for a value."""

UNKEYED = (b"0", b"0", b"0", b"0")
"""The bounds of a topic that is not keyed."""

VALUE = """
local function milliseconds()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function readValue(values, name)
  local entry = redis.call('HGET', values, name)
  if not entry then return nil end
  local epoch, offset, tag, mark, kept, size =
    string.match(entry, '^%d+ (%S+) (%S+) (%S+) (%d+) %d (%d) (%d+)\\n')
  return {epoch = epoch, offset = offset, tag = tag, mark = mark, kept = kept == '1',
    size = tonumber(size)}
end

-- Whether another publication has a key: 'w' while it does, 'l' once if its time is over.  Its node
-- may be gone, and the database may have what the log lacks.  So the values are compared again.
local function lockOf(info, name, tag, now)
  local lock = redis.call('HGET', info, 'l:' .. name)
  if not lock then return nil end
  local holder, untilTime = string.match(lock, '^(%S+) (%d+)$')
  if holder == tag then return nil end
  if tonumber(untilTime) > now then return 'w' end
  redis.call('HDEL', info, 'l:' .. name, 'r')
  redis.call('HINCRBY', info, 'x', 1)
  return 'l'
end

local function unlock(info, name, tag)
  local lock = redis.call('HGET', info, 'l:' .. name)
  if lock and string.match(lock, '^%S+') == tag then redis.call('HDEL', info, 'l:' .. name) end
end

local function holds(value, condition)
  if condition == '' then return true end
  if condition == 'n' then return value == nil end
  if not value then return false end
  local epoch, offset, tag = string.match(condition, '^p (%S+) (%S+) (%S+)$')
  if epoch then return epoch == value.epoch and offset == value.offset and tag == value.tag end
  return value.kept and 'm ' .. value.mark == condition
end

local function toNumber(found)
  return tonumber(found or '0')
end

local function fullness(at, value, size, bounds)
  if size == '' then return nil end
  local count = redis.call('HLEN', at.values)
  if not value and count >= bounds.keys then return 'fk' end
  local grown = tonumber(size) - (value and value.size or 0)
  if grown <= 0 then return nil end
  if toNumber(redis.call('HGET', at.info, 's')) + grown > bounds.bytes then return 'fb' end
  if count == 0 then grown = grown + bounds.topic end
  if toNumber(redis.call('HGET', at.project, 's')) + grown > bounds.memory then return 'fp' end
  return nil
end

-- What the project's hash says of the topic may be wrong only until the topic is written again.
local function account(at, topicSize)
  local size, before = 0, toNumber(redis.call('HGET', at.project, at.values))
  if redis.call('HLEN', at.values) > 0 then
    size = toNumber(redis.call('HGET', at.info, 's')) + topicSize
    if before == 0 then redis.call('PERSIST', at.info) end
  else
    redis.call('PEXPIRE', at.info, 3600000)
  end
  if size == 0 then
    redis.call('HDEL', at.project, at.values)
  elseif size ~= before then
    redis.call('HSET', at.project, at.values, string.format('%.0f', size))
  end
  if size ~= before then
    local total = redis.call('HINCRBY', at.project, 's', string.format('%.0f', size - before))
    if total == 0 then redis.call('DEL', at.project) end
  end
end

local function writeValue(at, name, line, size, body)
  local before = readValue(at.values, name)
  local grown = before and -before.size or 0
  if size == '' then
    redis.call('HDEL', at.values, name)
    redis.call('ZREM', at.order, name)
  else
    -- Numbers grow also over a hash that was there and is gone.
    if redis.call('HEXISTS', at.info, 'n') == 0 then
      redis.call('HSET', at.info, 'n', string.format('%.0f', milliseconds()))
    end
    local number = string.format('%.0f', redis.call('HINCRBY', at.info, 'n', 1))
    redis.call('HSET', at.values, name, number .. ' ' .. line .. ' ' .. size .. '\\n' .. body)
    redis.call('ZADD', at.order, number, name)
    grown = grown + tonumber(size)
  end
  redis.call('HINCRBY', at.info, 's', string.format('%.0f', grown))
end
"""

_RESERVE = (
    VALUE
    + """
local at = {values = KEYS[2], info = KEYS[4], project = KEYS[5]}
local name, size, condition, tag, life, maxKeys, maxBytes, topicSize, memory = unpack(ARGV)
local bounds = {keys = tonumber(maxKeys), bytes = tonumber(maxBytes), topic = tonumber(topicSize),
  memory = tonumber(memory)}
local info = at.info
local epoch = redis.call('HGET', KEYS[1], 'e')
if not epoch or redis.call('HGET', info, 'r') ~= epoch then return 'l' end
local now = milliseconds()
local lock = lockOf(info, name, tag, now)
if lock then return lock end
local value = readValue(at.values, name)
if not holds(value, condition) then return 's' end
local full = fullness(at, value, size, bounds)
if full then return full end
-- The reservation outlives it.
if redis.call('PTTL', info) > 0 then redis.call('PEXPIRE', info, 3600000) end
redis.call('HSET', info, 'l:' .. name, tag .. ' ' .. string.format('%.0f', now + tonumber(life)))
return 'ok'
"""
)
"""
Lets a publication that is about to be kept have its key for itself.

Keys: the log's hash and those of the values.  Arguments: what
L{aerostack.engine.valkey.keyedentries.keyedArguments} gives, the tag, for how many milliseconds,
and the bounds that L{aerostack.engine.valkey.keyed.ValkeyValues.boundsOf} gives.
"""

_RELEASE = (
    VALUE
    + """
unlock(KEYS[1], ARGV[1], ARGV[2])
return 'ok'
"""
)
"""
Takes back what L{RESERVE} has given.

Key: the hash of what else is known.  Arguments: the publication's key and tag.
"""

_MERGE = (
    VALUE
    + """
local at = {values = KEYS[2], order = KEYS[3], info = KEYS[4], project = KEYS[5]}
local values, info = at.values, at.info
local epoch, there = ARGV[1], {}
if redis.call('HGET', KEYS[1], 'e') ~= epoch then return 'late' end
if redis.call('HGET', info, 'r') == epoch then return 'ok' end
-- What was read may lack what entered the log between two comparisons.
if (redis.call('HGET', info, 'x') or '0') ~= ARGV[3] then return 'late' end
for i = 4, #ARGV, 4 do
  local name, mark, size, body = unpack(ARGV, i, i + 3)
  there[name] = true
  local value = readValue(values, name)
  if not value or tonumber(value.mark) < tonumber(mark) then
    writeValue(at, name, epoch .. ' - - ' .. mark .. ' 1 1', size, body)
  end
end
for _, name in ipairs(redis.call('HKEYS', values)) do
  local value = readValue(values, name)
  if value.kept and not there[name] then writeValue(at, name, '', '', '') end
end
redis.call('HSET', info, 'r', epoch)
account(at, tonumber(ARGV[2]))
return 'ok'
"""
)
"""
Compares the values with those that the database has kept, once for each log, and again whenever a
reservation has run out.

Keys: the log's hash and those of the values.  Arguments: the log's epoch when the database was
asked; how many bytes the topic counts beside its values; how many reservations had run out when the
database was asked; and for each value that was kept, oldest first, its key, its mark, its size and
its publication.
"""

_PAGE = """
local epoch = redis.call('HGET', KEYS[1], 'e')
if not epoch or redis.call('HGET', KEYS[4], 'r') ~= epoch then return false end
local limit, size, out = tonumber(ARGV[2]), tonumber(ARGV[3]), {}
local names = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf', 'LIMIT', 0, limit)
for _, name in ipairs(names) do
  local entry = redis.call('HGET', KEYS[2], name)
  size = size - #entry
  if #out > 0 and size < 0 then break end
  out[#out + 1] = name
  out[#out + 1] = entry
end
return out
"""
"""
Reads values, in the order of their newest changes; nil if they are not compared with the database.

Keys: as of L{MERGE}.  Arguments: the number behind which, how many values and how many bytes at the
most.
"""

_FIND = """
return redis.call('HGET', KEYS[1], ARGV[1])
"""
"""
Reads one field of a hash, such as a value.

Key: the hash.  Argument: the field; for a value, its key.
"""

SCRIPTS: Mapping[str, str] = {
    RESERVE: _RESERVE,
    RELEASE: _RELEASE,
    MERGE: _MERGE,
    PAGE: _PAGE,
    FIND: _FIND,
}
"""The text of each script, by its name."""
