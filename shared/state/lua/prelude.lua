-- The state machine of a task. This text stands before every verb; prelude_data.lua (what a task is made of) and
-- prelude_moves.lua (how its status changes, in one place only) follow it, but for verbs whose first line says "The call
-- alone". A call loads what it needs into `tasks`, decides on that copy, and writes everything in commit(): nothing is
-- written before everything was checked, and each structure is read and written once a call.
--
-- KEYS[1]  the partition's prefix, "{p0}:" ; every key is that and a name below
-- ARGV[1]  the id of the entry this call may write (24 characters, made by the caller, new for each call)
-- ARGV[2]  microseconds of waiting that are worth one point of the score (3600000000 when an hour is one point);
--          load.lua, which alone works on an empty Redis, has the word "load" before it
--
-- Keys: m     hash: epoch, seq and id (last entry), mark and markid (last known to be in the log), trim and trimid,
--             us (the clock), evicted (how many tasks have left Redis), format (of what is stored)
--       id    hash: "project/task_id" -> number, or "@token" while a large graph is being admitted
--       t     hash: number -> packed state (FORMAT)          x   hash: number -> specification, or "=" and the result
--       e     hash: number -> its dependencies (7 bytes an edge: number, condition)
--       d:<number>  string: its dependents (7 bytes an edge)  fw  hash: "project/task_id" -> dependents of one to come
--       r:<type>    zset: ready, by rank                      due zset: the next time something must be done about a task
--                                                             (6 bytes: its number), or "=entry id" for what `lg` lists
--       lg    hash: entry id -> the numbers (6 bytes each) that were leased together in that call
--       k     hash: "project/key" -> how many run            kw:<project/key>  zset: waiting for the key, by rank
--       ps    hash: paused: "type/project"                    pk:<project>  zset: ready but parked by a paused project
--       rel   list: ends whose dependents are not all told: "number offset"
--       fin   list: ended tasks in order of their end        c   hash: "project/type/letter" -> tasks
--       rq:<type>/<request id>  the leases a work request got   ab  hash: token -> a large graph being admitted
--       rs  hash: token -> project, batch, last time: a large graph whose ids are being reserved
--       ob    stream: the outbox, an entry a call that changed something
--       ld, rl  who rebuilds, who relays (no state: they expire)
--
-- What this costs is mostly the strings and tables that Lua makes and throws away: Redis's Lua reads every byte of each new
-- string for its hash. Hence a task is an array, what does not change about it stays one string, numbers become texts once
-- a call, and what is large (a specification, a result) is handed on as it came and never joined to anything.

local US, RS = '\31', '\30'
local prefix, entry_id, us_per_point = KEYS[1], ARGV[1], tonumber(string.match(ARGV[2], '%d+'))
local call, format = redis.call, string.format
local pack, unpack_struct = struct.pack, struct.unpack

local FORMAT_NUMBER = '2' -- raise it with every change of what is stored (and STATE_FORMAT in state.h): Redis is rebuilt then

-- A table that makes what is missing on first use: most numbers are needed several times in a call.
local function made_by(make)
  return setmetatable({}, { __index = function(known, key)
    local made = make(key)
    known[key] = made
    return made
  end })
end

-- A number as text. '%d' and not tostring(): exact up to 2^53, and several times faster than anything that prints a float.
local texts = made_by(function(value) return format('%d', value) end)

-- ---------------------------------------------------------------------------------------------- the call's own view

local meta = call('HMGET', prefix .. 'm', 'epoch', 'seq', 'id', 'mark', 'us', 'trim', 'evicted', 'format')
local epoch = meta[1]
if meta[8] ~= FORMAT_NUMBER and not string.find(ARGV[2], 'load', 1, true) then return { 'notready' } end
local last_seq, mark_seq = tonumber(meta[2] or 0), tonumber(meta[4] or 0)
local trim_seq, evicted = tonumber(meta[6] or 0), tonumber(meta[7] or 0)
local clock = call('TIME')
local now = math.max(tonumber(meta[5] or 0), clock[1] * 1000000 + clock[2])
local now_text = texts[now]
local first_seq = last_seq + 1

-- What every reply begins with: epoch, the entry to wait for ("" when all this call has seen is in the log already), its last
-- seq, whether the sweep has more to do (0 or 1), the clock, and the types whose ready queue was empty and is not any more.
local function head(wait, more, types)
  return table.concat({ epoch, wait, texts[last_seq], more and '1' or '0', now_text, types }, US)
end

-- Of a call that makes no events.
local function unchanged_head()
  return head(last_seq > mark_seq and meta[3] or '', false, '')
end
