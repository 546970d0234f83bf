"""
What the server does for presence, each in one step: scripts in Lua.

The hash C{p} of a topic has its members by their names.  Its field C{#} has the epoch and the
version of the set: the epoch is another one whenever the set is made anew, and each change that
clients see has the next version.  A field that begins with C{@} has the name of the member that a
connection has taken over.  The sorted set C{j} has the names in the order in which the members
joined.  Each change is pushed on the topic's channel.

A member is a line and, behind it, the bytes of L{aerostack.engine.valkey.memberchanges}.  The line
has the node and the connection that hold it (C{-} for a connection that is lost), its number in the
order of joining, when it joined, until when it stays if it is lost, when it was lost among others,
its owner (C{-} if no other connection may take it over), its project and the bytes of its state.

Other keys are there once: who is lost, in two orders, what each node holds, which nodes live, and
how many bytes members take.  The bounds of projects are exact over all topics, so these keys cannot
be divided as the topics are.  All of their names begin with the root, which is the first key of
each script.
"""

from __future__ import annotations

from collections.abc import Mapping

from aerostack.core.presence import COST

TRACK = "roster.track"
LEAVE = "roster.leave"
LOSE = "roster.lose"
RESTORE = "roster.restore"
REMOVE = "roster.remove"
DROP = "roster.drop"
PAGE = "roster.page"
VERSIONS = "roster.versions"

PIECE = 100
"""How many members one step ends or reads at the most."""

EMPTY_LIFE = 60_000
"""For how many milliseconds the server remembers the version of a set without members."""

CLOCK = """
local root = KEYS[1]

local function text(number) return string.format('%.0f', number) end

local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
"""

COMMON = (
    CLOCK
    + f"local COST, EMPTY_LIFE, PIECE = {COST}, {EMPTY_LIFE}, {PIECE}\n"
    + """
local due, awaited, bytes = root .. ':due', root .. ':lost', root .. ':bytes'

local function named(p, kind)
  local head, topic = string.match(p, '^(.-:{%d+}:)p:(.*)$')
  return head .. kind .. ':' .. topic
end

local function read(p, key)
  local line = redis.call('HGET', p, key)
  if not line then return nil end
  local node, holder, number, since, til, lost, owner, project, size, at = string.match(line,
    '^(%S+) (%S+) (%d+) (%d+) (%d+) (%d+) (%S+) (%S+) (%d+)\\n()')
  return {node = node, holder = holder, number = number, since = since, til = til, lost = lost,
    owner = owner, project = project, size = tonumber(size), body = string.sub(line, at)}
end

local function write(p, key, m)
  local line = table.concat({m.node, m.holder, m.number, m.since, m.til, m.lost, m.owner,
    m.project, text(m.size)}, ' ')
  redis.call('HSET', p, key, line .. '\\n' .. m.body)
end

local function meta(p, run)
  local found = redis.call('HGET', p, '#')
  if found then
    local epoch, version = string.match(found, '^(%S+) (%d+)$')
    return epoch, tonumber(version)
  end
  local time = redis.call('TIME')
  return time[1] .. string.format('%06d', tonumber(time[2])) .. run, 0
end

local function bump(p, run)
  local epoch, version = meta(p, run)
  version = text(version + 1)
  redis.call('HSET', p, '#', epoch .. ' ' .. version)
  return epoch .. ' ' .. version, version
end

local function count(project, grown)
  for _, field in ipairs({'all', 'p:' .. project}) do
    if redis.call('HINCRBY', bytes, field, grown) == 0 then redis.call('HDEL', bytes, field) end
  end
end

local function tell(p, version, key, m)
  redis.call('PUBLISH', named(p, 'e'), table.concat({version, '+', key, m.since}, ' ') .. '\\n'
    .. m.body)
end

local function waiting(p, key, m)
  return m.owner .. ' ' .. p .. '\\n' .. string.format('%016.0f', tonumber(m.lost)) .. ' ' .. key
end

-- A connection holds a member from now on.
local function hold(p, key, m, run, conn)
  m.node, m.holder, m.til, m.lost = run, conn, '0', '0'
  redis.call('ZADD', root .. ':of:' .. run, 0, conn .. ' ' .. key .. ' ' .. p)
  if key ~= conn then redis.call('HSET', p, '@' .. conn, key) end
end

-- A connection does not hold a member any more.
local function free(p, key, m)
  redis.call('ZREM', root .. ':of:' .. m.node, m.holder .. ' ' .. key .. ' ' .. p)
  redis.call('HDEL', p, '@' .. m.holder)
end

-- A member is not lost any more.
local function found(p, key, m)
  redis.call('ZREM', due, key .. ' ' .. p)
  redis.call('ZREM', awaited, waiting(p, key, m))
end

local function add(p, key, m, run, conn)
  local version
  version, m.number = bump(p, run)
  hold(p, key, m, run, conn)
  write(p, key, m)
  redis.call('PERSIST', p)
  redis.call('ZADD', named(p, 'j'), m.number, key)
  count(m.project, COST + m.size)
  tell(p, version, key, m)
  return version
end

local function change(p, key, m, run, size, body)
  count(m.project, size - m.size)
  m.size, m.body = size, body
  write(p, key, m)
  local version = bump(p, run)
  tell(p, version, key, m)
  return version
end

local function lose(p, key, m, til)
  free(p, key, m)
  m.holder, m.til = '-', text(til)
  m.lost = text(redis.call('HINCRBY', root, 'lost', 1))
  write(p, key, m)
  redis.call('ZADD', due, til, key .. ' ' .. p)
  if m.owner ~= '-' then redis.call('ZADD', awaited, 0, waiting(p, key, m)) end
end

local function drop(p, key, m, run)
  if m.holder == '-' then found(p, key, m) else free(p, key, m) end
  redis.call('HDEL', p, key)
  local order = named(p, 'j')
  redis.call('ZREM', order, key)
  count(m.project, -COST - m.size)
  local version = bump(p, run)
  redis.call('PUBLISH', named(p, 'e'), version .. ' - ' .. key .. ' 0\\n')
  if redis.call('EXISTS', order) == 0 then redis.call('PEXPIRE', p, EMPTY_LIFE) end
end

-- The member that a connection holds.
local function held(p, conn)
  local key = redis.call('HGET', p, '@' .. conn) or conn
  local m = read(p, key)
  if m and m.holder == conn then return key, m end
end
"""
)

_TRACK = (
    COMMON
    + """
local p = KEYS[2]
local run, conn, project, owner, since = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local size, ofProject, ofAll = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local body = ARGV[9]
local key, m = held(p, conn)
local isBack = false
if not key and owner ~= '-' then
  local first = redis.call('ZRANGEBYLEX', awaited, '[' .. owner .. ' ' .. p .. '\\n',
    '(' .. owner .. ' ' .. p .. '\\n~', 'LIMIT', 0, 1)[1]
  if first then
    key = string.match(first, '\\n%d+ (%S+)$')
    m = read(p, key)
    isBack = true
  end
end
local grown = key and size - m.size or COST + size
if grown > 0 and (tonumber(redis.call('HGET', bytes, 'p:' .. project) or 0) + grown > ofProject
    or tonumber(redis.call('HGET', bytes, 'all') or 0) + grown > ofAll) then
  return {'full'}
end
local version, state = nil, 'same'
if not key then
  key = ARGV[10]
  m = {since = since, owner = owner, project = project, size = size, body = body}
  -- Another connection may hold the member of this name, because this one was believed lost.
  if redis.call('HEXISTS', p, key) == 1 then
    local _, last = meta(p, run)
    key = conn .. '.' .. text(last + 1)
  end
  version, state = add(p, key, m, run, conn), 'joined'
else
  if isBack then
    found(p, key, m)
    hold(p, key, m, run, conn)
  end
  if m.body ~= body then
    version, state = change(p, key, m, run, size, body), 'updated'
  else
    if isBack then write(p, key, m) end
    local epoch, last = meta(p, run)
    version = epoch .. ' ' .. text(last)
  end
end
return {state, version, key, m.since}
"""
)
"""
Lets a connection be present, or changes its state.

Keys: the root, the hash.  Arguments: the node, the connection, the project, the owner, the time,
the bytes of the state, how many bytes the project and all may have, the member's bytes, its name if
the server does not know it.
"""

_LEAVE = (
    COMMON
    + """
for i = 2, #KEYS do
  local key, m = held(KEYS[i], ARGV[2])
  if not key then
    -- If the node was believed dead, the member is lost.
    key, m = ARGV[i + 1], read(KEYS[i], ARGV[i + 1])
    if m and (m.holder ~= '-' or m.node ~= ARGV[1]) then m = nil end
  end
  if m then drop(KEYS[i], key, m, ARGV[1]) end
end
"""
)
"""
Ends a connection's presence on topics.

Keys: the root, the hashes.  Arguments: the node, the connection, then for each hash the member's
name.
"""

_LOSE = (
    COMMON
    + """
local til = clock() + tonumber(ARGV[2])
for i = 2, #KEYS do
  local key, m = held(KEYS[i], ARGV[1])
  if key then lose(KEYS[i], key, m, til) end
end
"""
)
"""
Notes that a connection is lost.

Keys: the root, the hashes.  Arguments: the connection, for how many milliseconds its members stay.
"""

_RESTORE = (
    COMMON
    + """
local run, out = ARGV[1], {}
for i = 2, #KEYS do
  local p, at = KEYS[i], 2 + (i - 2) * 7
  local conn, key, project, owner, since, size, body = unpack(ARGV, at, at + 6)
  size = tonumber(size)
  local mine, m = held(p, conn)
  if mine then
    key = mine
  else
    m = read(p, key)
    if m and m.holder == '-' then
      found(p, key, m)
      hold(p, key, m, run, conn)
      write(p, key, m)
    elseif m then
      -- Another connection has taken the member over.
      local _, last = meta(p, run)
      key, m = conn .. '.' .. text(last + 1), nil
    end
  end
  if not m then
    m = {since = since, owner = owner, project = project, size = size, body = body}
    add(p, key, m, run, conn)
  elseif m.node ~= run then
    free(p, key, m)
    hold(p, key, m, run, conn)
    write(p, key, m)
  end
  if m.body ~= body then change(p, key, m, run, size, body) end
  out[i - 1] = key .. ' ' .. m.since
end
return out
"""
)
"""
Makes the server's data agree with what connections of a node hold.

Keys: the root, the hashes.  Arguments: the node; then for each hash the connection, the member's
name, the project, the owner, the time, the bytes of the state, the member's bytes.
"""

_REMOVE = (
    COMMON
    + """
local all = redis.call('ZRANGEBYLEX', awaited, '[' .. ARGV[2] .. ' ', '(' .. ARGV[2] .. '!',
  'LIMIT', 0, PIECE)
for _, each in ipairs(all) do
  local p, key = string.match(each, '^%S+ (.*)\\n%d+ (%S+)$')
  drop(p, key, read(p, key), ARGV[1])
end
return #all
"""
)
"""
Ends the presence of an owner's lost connections, as many as one step may.

Key: the root.  Arguments: the node, the owner.
"""

_DROP = (
    COMMON
    + """
local til = tonumber(ARGV[2])
for i = 2, #KEYS do
  local key, m = held(KEYS[i], ARGV[i + 1])
  if key and m.node == ARGV[1] then
    if til > 0 then lose(KEYS[i], key, m, clock() + til) else drop(KEYS[i], key, m, ARGV[1]) end
  end
end
"""
)
"""
Ends what connections hold that a node does not have any more.

Keys: the root, the hashes.  Arguments: the node, for how many milliseconds their members stay (0 if
they leave now), then for each hash the connection.
"""

_PAGE = """
local order = string.gsub(KEYS[1], '^(.-:{%d+}:)p:', '%1j:', 1)
local names = redis.call('ZRANGEBYSCORE', order, '(' .. ARGV[1], '+inf', 'LIMIT', 0, ARGV[2])
local out, size = {redis.call('HGET', KEYS[1], '#') or '', '0'}, 0
for i, key in ipairs(names) do
  local line = redis.call('HGET', KEYS[1], key)
  size = size + #line
  out[#out + 1] = key
  out[#out + 1] = line
  if size > 65536 or i == tonumber(ARGV[2]) then
    out[2] = '1'
    break
  end
end
return out
"""
"""
Reads some members of a topic, in the order in which they joined.

Key: the hash.  Arguments: the number after which to read, how many at most.  The answer is the
epoch and the version, whether there may be more, then the name and the bytes of each.
"""

_VERSIONS = """
local out = {}
for i = 1, #KEYS do out[i] = redis.call('HGET', KEYS[i], '#') or '' end
return out
"""
"""
Gives the versions of sets.

Keys: the hashes.
"""

SCRIPTS: Mapping[str, str] = {
    TRACK: _TRACK,
    LEAVE: _LEAVE,
    LOSE: _LOSE,
    RESTORE: _RESTORE,
    REMOVE: _REMOVE,
    DROP: _DROP,
    PAGE: _PAGE,
    VERSIONS: _VERSIONS,
}
"""The text of each script, by its name."""
