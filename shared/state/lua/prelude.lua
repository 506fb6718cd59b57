-- The state machine of a task, as one library of Redis functions: this text, prelude_data.lua (what a task is made of),
-- prelude_moves.lua (how its status changes, in one place only) and prelude_write.lua come first, then a verb a file. A call
-- loads what it needs into `tasks`, decides on that copy, and writes everything in commit(): nothing is written before
-- everything was checked, and each structure is read and written once a call.
--
-- KEYS[1]  the partition's prefix, "{p0}:" ; every key is that and a name below
-- ARGV[1]  the id of the entry this call may write (24 characters, made by the caller, new for each call)
-- ARGV[2]  microseconds of waiting that are worth one point of the score (3600000000 when an hour is one point); behind it
--          may stand " seq id", an entry of the log: a Redis that does not have it is behind the log, and says "notready"
--
-- Keys: m     hash: epoch, seq and id (last entry), mark and markid (last known to be in the log), trim and trimid,
--             us (the clock), evicted (how many tasks have left Redis), evictedto (the last seq of any of them), evictedby
--             (the call in which the last ones left), swept (see sweep.lua), format (of what is stored)
--       id    hash: "project/task_id" -> member, or "@token" while a large graph is being admitted
--       t     hash: member -> packed state (FORMAT)          x   hash: member -> specification, or "=" task_id US result
--       e     hash: member -> its dependencies (7 bytes an edge: member, condition)
--       er    hash: member -> code US message: how its last try failed, until one completes
--       d:<member>  string: its dependents (7 bytes an edge)  fw  hash: "project/task_id" -> dependents of one to come
--       r:<type>    zset: ready, by rank                      due zset: the next time something must be done about a task
--                                                             (a member), or "=entry id" for what `lg` lists
--       lg    hash: entry id -> the members that were leased together in that call
--       k     hash: "project/key" -> how many run            kw:<project/key>  zset: waiting for the key, by rank
--       ps    hash: paused: "type/project"                    pk:<project>  zset: ready but parked by a paused project
--       rel   list: ends whose dependents are not all told: member and offset
--       fin   list: ended tasks in order of their end, up to FIN_MEMBERS in an item        c   hash: "project/type/letter" -> tasks
--       rq:<type>/<worker>/<request id>  the leases a work request got, and the name of who asked by this id last
--       ab    hash: token -> a large graph being admitted
--       rs  hash: token -> project, batch, last time: a large graph whose ids are being reserved
--       ob    stream: the outbox, an entry a call that changed something (write_outbox() in prelude_write.lua)
--       oi    stream: the id of each large entry of the outbox, so that a mark need not read all of it
--       ld, rl  who rebuilds, who relays (no state: they expire)
--
-- A task's member is its number (the seq of its first event) in 6 bytes: what names it in every key, queue and edge.
--
-- What this costs is mostly the strings and tables that Lua makes and throws away: Redis's Lua reads every byte of each new
-- string for its hash. Hence a task is an array, what does not change about it stays one string, its state is packed once and
-- is its event too, and what is large (a specification, a result) is handed on as it came and never joined to anything.
-- Functions and constants are made once, on the library's first call; what belongs to one call is set by begin_*().

local US, RS = '\31', '\30'
-- As outer variables, since the globals of a Redis function are found by a detour.
local ipairs, next, pairs, rawget, tonumber, tostring, unpack = ipairs, next, pairs, rawget, tonumber, tostring, unpack
local math_floor, math_max, math_min, table_concat = math.floor, math.max, math.min, table.concat
local string_byte, string_find, string_gmatch = string.byte, string.find, string.gmatch
local string_lower, string_match, string_sub = string.lower, string.match, string.sub
local call, format = redis.call, string.format
local pack, unpack_struct = struct.pack, struct.unpack

local FORMAT_NUMBER = '8' -- raise it with every change of what is stored (STATE_FORMAT in state.h and the chaos checker's, too): Redis is rebuilt then

-- A table that makes what is missing on first use: most values are needed several times in a call.
local made_by
do
  local ways = {} -- of each maker, since tables of its make are made with each call
  local function way(make)
    ways[make] = { __index = function(known, key)
      local made = make(key)
      known[key] = made
      return made
    end }
    return ways[make]
  end
  function made_by(make) return setmetatable({}, ways[make] or way(make)) end
end

local function number_text(value) return format('%d', value) end

-- ---------------------------------------------------------------------------------------------- the call's own view

local ARGV, entry_id, us_per_point
local SMALL_BYTES = 8000 -- of the events of an entry that is small
local prefix, key_m, key_id, key_t, key_x, key_e, key_d, key_due, key_lg, key_fin, key_ob
local epoch, last_id, last_seq, first_seq, mark_seq, trim_seq, evicted, now, now_text
local texts -- a number as text: '%d' and not tostring(), which is slower and not exact up to 2^53

local function name_keys(of)
  prefix = of
  key_m, key_id, key_t, key_x, key_e, key_d = of .. 'm', of .. 'id', of .. 't', of .. 'x', of .. 'e', of .. 'd:'
  key_due, key_lg, key_fin, key_ob = of .. 'due', of .. 'lg', of .. 'fin', of .. 'ob'
end

-- The id of the entry whose last event has this number; nil when the outbox has none.
local function entry_id_at(seq)
  local at = texts[seq] .. '-0'
  local large = call('XRANGE', prefix .. 'oi', at, at)
  local found = large[1] and large or call('XRANGE', key_ob, at, at)
  return found[1] and string_match(found[1][2][2], '^[^\31]*')
end

-- Does this Redis have the entry that the caller has seen in the log? What was trimmed has been there.
local function has_proof(text)
  local weight, seq, id = string_match(text, '^(%d+) (%d+) (%S+)$')
  us_per_point, seq = tonumber(weight), tonumber(seq)
  if seq == trim_seq then return call('HGET', key_m, 'trimid') == id end
  return seq < trim_seq or entry_id_at(seq) == id
end

-- Returns false when this Redis holds no state, or is behind the log.
local function begin_call(keys, argv)
  ARGV, entry_id, us_per_point = argv, argv[1], tonumber(argv[2])
  if prefix ~= keys[1] then name_keys(keys[1]) end
  local meta = call('HMGET', key_m, 'epoch', 'seq', 'id', 'mark', 'us', 'trim', 'evicted', 'format')
  epoch, last_id = meta[1], meta[3]
  last_seq, mark_seq, trim_seq, evicted =
    tonumber(meta[2] or 0), tonumber(meta[4] or 0), tonumber(meta[6] or 0), tonumber(meta[7] or 0)
  first_seq = last_seq + 1
  local clock = call('TIME')
  now = math_max(tonumber(meta[5] or 0), clock[1] * 1000000 + clock[2])
  texts = made_by(number_text)
  now_text = texts[now]
  return meta[8] == FORMAT_NUMBER and (us_per_point ~= nil or has_proof(argv[2]))
end

-- What every reply begins with: epoch, the entry to wait for ("" when all this call has seen is in the log already), its last
-- seq, whether the sweep has more to do (0 or 1), the clock, and the types whose ready queue was empty and is not any more.
local function head(wait, has_more, types)
  return table_concat({ epoch, wait, texts[last_seq], has_more and '1' or '0', now_text, types }, US)
end

-- Of a call that makes no events.
local function unchanged_head()
  return head(last_seq > mark_seq and last_id or '', false, '')
end

-- A verb that knows no tasks.
local function verb_alone(name, run)
  verbs[name] = function(keys, argv)
    if not begin_call(keys, argv) then return { 'notready' } end
    return run()
  end
end
