-- What a task is made of, in Redis and in a call, after prelude.lua.

-- A task in memory: what is stored of it stands from MEMBER to BECAUSE, in the order of FORMAT.
--   fixed      what never changes: project US task_type US task_id US batch_id US traceparent RS constants RS hash;
--              GROUP_BYTES: to the second US; SPECIAL: 1 when the constants are not the usual ones (constants_of)
--   packed     false, or its state as it is stored
--   group      false until it is asked for (group_of)
local TOUCHED, PACKED, MEMBER, STATUS, PRIORITY, FLAGS, WAITS, POLICY, RETRIES, SPECIAL, GROUP_BYTES, DEGREE = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
local LEFT, VERSION, ATTEMPT, CREATED, READY, DUE, STARTED, SEQ, FIXED, WORKER, LEASE, BECAUSE, GROUP = 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25

-- 'c' is bytes as they are, 'I7' microseconds since 1970, 's' ends with a NUL. shared/state/packed.c reads the same.
local FORMAT = '>c6c1BBBBBBBHI3I3I3I7I7I7I7I6ssss'
local EDGE_BYTES = 7
-- Where some of it stands in a packed state, counted from 1.
local STATUS_AT, FLAGS_AT, WAITS_AT, LEFT_AT, AFTER_LEFT_AT, FIXED_AT = 7, 9, 10, 17, 20, 60
local RESULT = 61 -- '=': what `x` has of a completed task begins with it
local FIN_MEMBERS = 64 -- in one item of `fin`
local CHUNK = 2000 -- words in one command; Lua's stack holds some 8000
local EDGE_BUDGET = 500 -- dependents told in one call; the rest is left to the sweep, in `rel`
-- A call is one entry, and an entry has to go into one message of the log, 1 MiB where NATS is as it comes. So a call that has
-- written this much begins nothing that can wait. An event in the log is as long as its two texts, and at most EVENT_MORE.
local ENTRY_BYTES, EVENT_MORE, EVENT_MOST = 700000, 120, 700

local WAIT_DEPENDENCY, WAIT_TIME, WAIT_APPROVAL, WAIT_KEY = 1, 2, 4, 8
local FLAG_CANCEL, FLAG_RELEASING, FLAG_PARKED, FLAG_GROUPED = 1, 2, 4, 8 -- GROUPED: its lease ends with others, by `lg`
local LOST_ONE, LOST_MOST = 16, 15 -- above the flags: how many workers it has lost

-- From each status, the statuses a task may move to ('' is before its first event).
local MOVES = {
  [''] = { b = true, p = true, s = true },
  b = { b = true, p = true, x = true, s = true }, -- b to b: what it waits for, or its priority, has changed
  p = { p = true, r = true, b = true, x = true }, -- p to p: its priority has changed; to b: its key is taken
  -- r to r: cancel was asked for; to b: given back while its key is taken
  r = { r = true, c = true, f = true, t = true, p = true, b = true, x = true },
  t = { t = true, p = true, b = true, x = true }, -- t to t: its priority has changed
  c = {}, f = { p = true, b = true }, x = { p = true, b = true }, s = { p = true, b = true },
}
local FINAL = { c = true, f = true, x = true, s = true }
-- Which ends satisfy a dependency's condition.
local HOLDS = { c = { c = true }, f = { f = true }, x = { c = true, f = true, x = true, s = true } }

local function member_of(number) return pack('>I6', number) end
local function number_of(member) return (unpack_struct('>I6', member)) end

-- ---------------------------------------------------------------------------------------------- commands in bulk

local function call_many(command, key, words)
  local n = #words
  if n == 0 then return end
  if n <= CHUNK then return call(command, key, unpack(words, 1, n)) end
  for i = 1, n, CHUNK do
    call(command, key, unpack(words, i, math_min(i + CHUNK - 1, n)))
  end
end

-- HMGET of any number of fields, as one list.
local function get_many(key, fields)
  local n = #fields
  if n == 0 then return {} end
  if n <= CHUNK then return call('HMGET', key, unpack(fields, 1, n)) end
  local all = {}
  for i = 1, n, CHUNK do
    local part = call('HMGET', key, unpack(fields, i, math_min(i + CHUNK - 1, n)))
    for j = 1, #part do all[#all + 1] = part[j] end
  end
  return all
end

-- ---------------------------------------------------------------------------------------------- of the call under way

local tasks          -- member -> state, loaded or new; false: there is none. Taken apart when it is first asked for (glance() need not)
local states         -- member -> state as it was loaded; false: there is none
local recounted      -- member -> true: the state in `states` has another LEFT than the stored one
local changed        -- states to be written, each once
local events, event_words, event_bytes -- this call's events, two texts each (record() in prelude_moves.lua)
local zadd, zrem, hset -- key -> words
local at_hand        -- key of a ready queue -> words that would be in zadd: its only tasks (flush_queues)
local constants      -- of the special tasks in this call, by their text
local groups         -- "project US type" -> what its tasks have in common; counts: letter -> by how much their number has changed
local append, append_untold -- key -> edges; those in append are told should their parent end in this call
local coming         -- "project/task_id" of a task that is to come -> edges of those that wait for it, for `fw`
local new_ids, payloads -- words for `id` and `x`
local finished       -- members for `fin`
local mended         -- members whose last try completed, after one that had failed
local told_later     -- items for `rel`
local woken          -- type -> true: its ready queue may have been empty before
local released       -- dependents told so far
local more           -- something was left for the sweep
local direct         -- what the caller knows as the log's last entry; then this call's entry, if the caller is to append it
local held           -- "project/key" -> how many run; loaded on first use, written at the end
local promoted       -- keys with a place that came free; their best waiter moves up at the end of the call
local ended          -- tasks whose dependents are to be told in this call, each with an offset

local function new_group(name)
  local project, type = string_match(name, '^([^\31]*)\31(.*)$')
  return { project = project, type = type, ready = prefix .. 'r:' .. type, counts = {} }
end

local read_constants, taken_apart

local function begin_tasks()
  constants = made_by(read_constants)
  states, recounted = {}, {}
  tasks = made_by(taken_apart)
  changed, events, event_words, event_bytes = {}, {}, 0, 0
  zadd, zrem, hset, append, append_untold, at_hand, coming = {}, {}, {}, {}, {}, {}, {}
  new_ids, payloads, finished, mended, told_later = {}, {}, {}, {}, {}
  groups, woken, held, promoted, ended = made_by(new_group), {}, {}, {}, {}
  released, more, direct = 0, false, nil
end

local function verb(name, run)
  verb_alone(name, function()
    begin_tasks()
    return run()
  end)
end

local function put(store, key, a, b)
  local words = store[key]
  if not words then
    words = {}
    store[key] = words
  end
  local n = #words
  words[n + 1] = a
  if b ~= nil then words[n + 2] = b end
end

-- ---------------------------------------------------------------------------------------------- what a task is made of

local function group_of(t)
  local group = t[GROUP]
  if not group then
    group = groups[string_sub(t[FIXED], 1, t[GROUP_BYTES])]
    t[GROUP] = group
  end
  return group
end

local function project_of(t) return group_of(t).project end
local function type_of(t) return group_of(t).type end
local function task_id_of(t) return (string_match(t[FIXED], '^([^\31]*)', t[GROUP_BYTES] + 2)) end
local function name_of(t) return project_of(t) .. '/' .. task_id_of(t) end
local function hash_of(t) return (string_match(t[FIXED], '\30([^\30]*)$')) end

local DEFAULTS = { max_retries = 3, timeout = 0, limit = 1, backoff = '', key = '' }

-- The text is "max_retries US timeout_us US concurrency_limit US backoff US concurrency_key US order", or "" for the usual
-- ones. order: hundredths of a point in the place of the dependencies' term, or "".
function read_constants(text)
  local max_retries, timeout, limit, backoff, key, order =
    string_match(text, '^(%d+)\31(%d*)\31(%d*)\31([^\31]*)\31([^\31]*)\31(%d*)$')
  return { max_retries = tonumber(max_retries), timeout = tonumber(timeout) or 0, limit = tonumber(limit) or 1,
    backoff = backoff, key = key, order = tonumber(order) }
end

local function constants_of(t)
  if t[SPECIAL] == 0 then return DEFAULTS end
  return constants[string_match(t[FIXED], '\30([^\30]*)\30')]
end

local function decode(bytes)
  local t = { false, bytes, unpack_struct(FORMAT, bytes) }
  t[GROUP] = false -- where unpack() says at which byte it ended
  return t
end

local function encode(t)
  return pack(FORMAT, unpack(t, MEMBER, BECAUSE))
end

function taken_apart(member)
  local bytes = states[member]
  return bytes and decode(bytes)
end

-- Status and flags, for which a state need not be taken apart; nil: there is no such task.
local function glance(member)
  local t, bytes = rawget(tasks, member), states[member]
  if t then return t[STATUS], t[FLAGS] end
  if t == nil and bytes then return string_sub(bytes, STATUS_AT, STATUS_AT), string_byte(bytes, FLAGS_AT) end
end

-- Loads the states of these members (those already loaded stay as they are). Absent ones become false.
local function load(members)
  local wanted, n = {}, 0
  for i = 1, #members do
    local member = members[i]
    if states[member] == nil then
      states[member] = false
      n = n + 1
      wanted[n] = member
    end
  end
  local found = get_many(key_t, wanted)
  for i = 1, n do states[wanted[i]] = found[i] end
end

local RESERVED = 64 -- '@': what stands in `id` for a task of a graph that is being admitted

-- names: "project/task_id" each. Returns member by name, loading the states too. Reservations are left out.
local function find(names)
  local values, members, found = get_many(key_id, names), {}, {}
  for i = 1, #names do
    local member = values[i]
    if member and string_byte(member) ~= RESERVED then
      found[names[i]] = member
      members[#members + 1] = member
    end
  end
  load(members)
  return found
end

-- What was changed after its last event, or without one, is packed again at the end.
local function touch(t)
  t[PACKED] = false
  if not t[TOUCHED] then
    t[TOUCHED] = true
    changed[#changed + 1] = t
  end
end

-- ---------------------------------------------------------------------------------------------- edges

local EDGES_AT_ONCE = 60
local edge_formats = made_by(function(count) return string.rep('c6c1', count) end)

-- A flat list: member, condition, member, condition …, and how many edges there are.
local function edges(bytes)
  local count = #bytes / EDGE_BYTES
  if count == 0 then return {}, 0 end
  if count <= EDGES_AT_ONCE then
    local list = { unpack_struct(edge_formats[count], bytes) }
    list[2 * count + 1] = nil -- where it stopped reading
    return list, count
  end
  local list = {}
  for first = 0, count - 1, EDGES_AT_ONCE do
    local here = math_min(EDGES_AT_ONCE, count - first)
    local part = { unpack_struct(edge_formats[here], bytes, first * EDGE_BYTES + 1) }
    for i = 1, 2 * here do list[2 * first + i] = part[i] end
  end
  return list, count
end

-- The members of the other ends, for load(): of `count` edges, added to `members`.
local function add_ends(members, list, count)
  local n = #members
  for i = 1, count do members[n + i] = list[2 * i - 1] end
end
