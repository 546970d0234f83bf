"""
What the server does for the logs, each in one step: scripts in Lua, and how their answers are read.

The hash of a log has its epoch C{e}, its head's offset C{o}, tag C{g}, mark C{m} and C{k} (whether
the mark is a kept message's), how many bytes ever entered it C{t}, and how many of them had left it
C{l} when that was last looked at.

An epoch begins with 11 hexadecimal digits that grow whenever a log is made anew: so of two epochs
of a topic the server can say which one is older, and sees that it has itself come back older than
a node.
"""

from __future__ import annotations

from collections.abc import Mapping

from aerostack.core.replay.log import Depth
from aerostack.engine.valkey.keyedscripts import VALUE

PUBLISH = "log.publish"
ATTACH = "log.attach"
HEADS = "log.heads"
READ = "log.read"

# A log that was made anew is announced on its channel by an entry without a publication.
_COMMON = """
local function gen(epoch)
  return tonumber(string.sub(epoch, 1, 11), 16) or 0
end

local function renew(meta, stream, channel, known, mark, kept, suffix, now)
  local g = now
  if known ~= '' and gen(known) >= g then g = gen(known) + 1 end
  local epoch = string.format('%011x', g) .. suffix
  -- First what a server without memory refuses.
  redis.call('HSET', meta, 'e', epoch, 'o', '0', 'g', '-', 'm', mark, 'k', kept, 't', '0', 'l', '0')
  redis.call('DEL', stream)
  redis.call('PUBLISH', channel, epoch .. ' 0 - - ' .. mark .. ' ' .. kept .. ' 0\\n')
  return epoch
end
"""

_PUBLISH = (
    VALUE
    + """
local channel, count, size = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local age, ttl, serial, window = ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
local bounds = {keys = tonumber(ARGV[8]), bytes = tonumber(ARGV[9]), topic = tonumber(ARGV[10]),
  memory = tonumber(ARGV[11])}
local isKeyed = bounds.keys > 0
local at = {values = KEYS[4], order = KEYS[5], info = KEYS[6], project = KEYS[7]}
local values, info = at.values, at.info

-- A batch that a node sends again, because it did not get the answer, gets the answer again.
local done = redis.call('GET', KEYS[3])
if done then
  local last, answer = string.match(done, '^(%d+) (.*)$')
  if tonumber(last) == serial then return answer end
  if tonumber(last) > serial then return 'stale' end
end

local h = redis.call('HMGET', KEYS[1], 'e', 'o', 'g', 'm', 'k', 't', 'l')
local epoch = h[1]
if not epoch then return '' end
local offset, tag, mark, kept = tonumber(h[2]), h[3], h[4], h[5]
local total, low = tonumber(h[6]), tonumber(h[7])
local out, placed = {}, false
local isLoaded = isKeyed and redis.call('HGET', info, 'r') == epoch
local now = isKeyed and milliseconds()

for i = 12, #ARGV, isKeyed and 8 or 5 do
  local newTag, newMark, prev, key, body = unpack(ARGV, i, i + 4)
  local name, valueSize, condition = '', '', ''
  if isKeyed then name, valueSize, condition = unpack(ARGV, i + 5, i + 7) end
  local refusal
  -- What is kept has been decided.
  if name ~= '' and isLoaded and newMark == '' then
    local lock = lockOf(info, name, newTag, now)
    if lock == 'l' then
      isLoaded = false
    elseif lock then
      refusal = lock
    else
      local value = readValue(values, name)
      if not holds(value, condition) then
        refusal = 's'
      elseif value and value.kept then
        refusal = 'k'
      else
        refusal = fullness(at, value, valueSize, bounds)
      end
    end
  end
  local known = key ~= '0' and redis.call('GET', KEYS[tonumber(key)])
  if newMark == 'x' then
    out[#out + 1] = 'x'
  elseif known then
    out[#out + 1] = 'r ' .. known
  elseif newMark ~= '' and tonumber(newMark) <= tonumber(mark) then
    out[#out + 1] = table.concat({'t', epoch, string.format('%.0f', offset), tag, mark, kept}, ' ')
  elseif newMark ~= '' and tonumber(prev) > tonumber(mark) then
    -- Kept messages before it have not come yet.  What is behind it waits as well.
    out[#out + 1] = 'b ' .. mark .. ' ' .. epoch
    break
  elseif name ~= '' and not isLoaded then
    out[#out + 1] = 'l'
    break
  elseif refusal == 'w' then
    out[#out + 1] = 'w'
    break
  elseif refusal then
    out[#out + 1] = refusal
  else
    offset = offset + 1
    if newMark ~= '' then mark, kept = newMark, '1' end
    local number = string.format('%.0f', offset)
    local place = table.concat({epoch, number, newTag}, ' ')
    local line = place .. ' ' .. tag .. ' ' .. mark .. ' ' .. kept .. ' '
    total = total + #body
    local entry = line .. string.format('%.0f', total) .. '\\n' .. body
    local added = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', count, number .. '-0', 'e', entry)
    if type(added) == 'table' and added.err then
      local foreign = string.find(added.err, 'smaller', 1, true)
        or string.find(added.err, 'WRONGTYPE', 1, true)
      if not foreign then return added end
      -- What is there belongs to another log.
      redis.call('DEL', KEYS[2])
      redis.call('XADD', KEYS[2], number .. '-0', 'e', entry)
    end
    if name ~= '' then
      local line = place .. ' ' .. mark .. ' ' .. kept .. ' ' .. (newMark ~= '' and '1' or '0')
      writeValue(at, name, line, valueSize, body)
      account(at, bounds.topic)
      unlock(info, name, newTag)
    end
    redis.call('PUBLISH', channel, entry)
    tag, placed = newTag, true
    local answer = place .. ' ' .. mark .. ' ' .. kept
    if key ~= '0' then redis.call('SET', KEYS[tonumber(key)], answer, 'PX', window) end
    out[#out + 1] = 'p ' .. answer
  end
end

local answer = table.concat(out, ';')
if placed then
  -- The stream may be too large; how much the oldest entries take is in their lines.
  while total - low > size do
    local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
    local upTo, body = string.match(oldest[2][2], '^%S+ %d+ %S+ %S+ %d+ %d (%d+)\\n(.*)$')
    low = tonumber(upTo) - #body
    if total - low <= size or oldest[1] == string.format('%.0f-0', offset) then break end
    redis.call('XDEL', KEYS[2], oldest[1])
    low = tonumber(upTo)
  end
  redis.call('HSET', KEYS[1], 'o', string.format('%.0f', offset), 'g', tag, 'm', mark, 'k', kept,
    't', string.format('%.0f', total), 'l', string.format('%.0f', low))
  redis.call('PEXPIRE', KEYS[1], ttl)
  redis.call('PEXPIRE', KEYS[2], age)
  redis.call('SET', KEYS[3], ARGV[6] .. ' ' .. answer, 'PX', 60000)
end
return answer
"""
)
"""
Puts publications of one topic into its log, one after the other.

Keys: hash, stream, batch, on a keyed topic those of its values, then those of publications that may
come again.  Arguments: channel, how many entries and how many bytes the stream holds, for how many
milliseconds it and the hash live, the batch's number, for how many milliseconds repeated
publications are known, and the bounds that L{aerostack.engine.valkey.keyed.ValkeyValues.boundsOf}
gives; then for each publication its tag, its mark (empty if it is not kept, C{x} if it is not to be
placed), the mark before that, the index of its key (0 for none) and its body; and on a keyed topic
what L{aerostack.engine.valkey.keyedentries.keyedArguments} gives.

A batch that is sent again has the same publications, because its answer tells of each by its place.
So those that are not wanted any more stay in it.
"""

_ATTACH = (
    _COMMON
    + """
local suffix, time = ARGV[1], redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local out = {}
for i = 1, #KEYS, 2 do
  local at = 2 + (i - 1) / 2 * 7
  local channel, ttl, e, o, g, m, cold = unpack(ARGV, at, at + 6)
  local meta, stream, state = KEYS[i], KEYS[i + 1], 'ok'
  local h = redis.call('HMGET', meta, 'e', 'o', 'g', 'm', 'k')
  if not h[1] and cold == '' then
    out[#out + 1] = 'cold'
  else
    if not h[1] then
      local mark = cold
      if m ~= '' and tonumber(m) > tonumber(mark) then mark = m end
      state = e ~= '' and 'lost' or 'ok'
      renew(meta, stream, channel, e, mark, mark == '0' and '0' or '1', suffix, now)
    elseif e ~= '' then
      -- Does the node know what the log does not?  Then the server has come back older.  Every
      -- node has to learn that entries are lost, so the log is made anew.
      local older = e > h[1] or tonumber(m) > tonumber(h[4])
      if e < h[1] then
        state = 'lost'
      elseif not older then
        if tonumber(o) > tonumber(h[2]) or (o == h[2] and g ~= h[3]) then
          older = true
        elseif o ~= h[2] then
          local id = string.format('%.0f-0', tonumber(o) + 1)
          local behind = redis.call('XRANGE', stream, id, id)[1]
          if not behind then
            state = 'expired'
          else
            older = string.match(behind[2][2], '^%S+ %d+ %S+ (%S+)') ~= g
          end
        end
      end
      if older then
        local mark, kept = h[4], h[5]
        if tonumber(m) > tonumber(mark) then mark, kept = m, '1' end
        state = 'lost'
        renew(meta, stream, channel, e > h[1] and e or h[1], mark, kept, suffix, now)
      end
    end
    redis.call('PEXPIRE', meta, ttl)
    h = redis.call('HMGET', meta, 'e', 'o', 'g', 'm', 'k')
    out[#out + 1] = state .. ' ' .. table.concat(h, ' ')
  end
end
return out
"""
)
"""
Gives the heads of logs, makes those that are missing, and compares each with the head that a node
knows.

Keys: hash and stream of each topic.  Arguments: the end of new epochs; then for each topic its
channel, for how many milliseconds the hash lives, the known epoch, offset, tag and mark (empty for
a node without a head), and the mark at which a new log begins (empty to make none).
"""

_HEADS = """
local out = {}
for i = 1, #KEYS do
  local h = redis.call('HMGET', KEYS[i], 'e', 'o', 'g', 'm', 'k')
  if h[1] then
    redis.call('PEXPIRE', KEYS[i], ARGV[i])
    out[i] = table.concat(h, ' ')
  else
    out[i] = ''
  end
end
return out
"""
"""
Gives the heads of logs, and lets them live on.

Keys: the hash of each topic.  Arguments: for how many milliseconds each lives.
"""

_READ = """
local from, last, limit, size = tonumber(ARGV[1]) + 1, ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local out = {}
while #out < limit do
  local page = redis.call('XRANGE', KEYS[1], string.format('%.0f-0', from), last, 'COUNT',
    math.min(16, limit - #out))
  if #page == 0 then return out end
  for _, each in ipairs(page) do
    size = size - #each[2][2]
    if #out > 0 and size < 0 then return out end
    out[#out + 1] = each[2][2]
    from = tonumber(string.match(each[1], '^%d+')) + 1
  end
end
return out
"""
"""
Reads entries of a log.

Key: the stream.  Arguments: the offset after which, the last one (C{+} for the head), how many
entries and how many bytes at most.
"""

SCRIPTS: Mapping[str, str] = {PUBLISH: _PUBLISH, ATTACH: _ATTACH, HEADS: _HEADS, READ: _READ}
"""The text of each script, by its name."""

SHORTEST = 60.0
"""For how many seconds a log lives at least that no node follows or looks at: longer than a node
that follows it needs to come back."""


def milliseconds(seconds: float) -> bytes:
    """
    Write a time for a script.
    """
    return b"%d" % max(1, round(seconds * 1000))


def lifeOf(depth: Depth) -> bytes:
    """
    For how many milliseconds a log lives that no node follows or looks at.
    """
    return milliseconds(max(depth.age, SHORTEST))
