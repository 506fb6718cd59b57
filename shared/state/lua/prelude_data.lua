-- What a task is made of, in Redis and in a call, after prelude.lua.

-- A task in memory: what is stored of it stands from STATUS to BECAUSE, in the order of FORMAT.
--   identity   project US task_type US task_id US batch_id US traceparent, as in its events; GROUP_BYTES: to the second US
--   constants  "", or what is seldom asked for (constants_of)
--   group      false until it is asked for (group_of)
local NUMBER, TOUCHED, STATUS, PRIORITY, FLAGS, WAITS, POLICY, RETRIES, DEGREE, LEFT, VERSION, ATTEMPT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
local CREATED, READY, DUE, STARTED, SEQ, GROUP_BYTES, IDENTITY, CONSTANTS, HASH, WORKER, LEASE, BECAUSE, GROUP = 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25

-- 'c1' is a letter, 6 bytes hold sequence numbers, 7 bytes microseconds since 1970, 's' ends with a NUL.
local FORMAT = '>c1BBBBHIIII' .. 'I7I7I7I7I6B' .. 'ssssss'
local EDGE = '>I6c1'
local EDGE_BYTES = 7
local CHUNK = 2000 -- words in one command; Lua's stack holds some 8000
local EDGE_BUDGET = 1000 -- dependents told in one call; the rest is left to the sweep, in `rel`

local WAIT_DEPENDENCY, WAIT_TIME, WAIT_APPROVAL, WAIT_KEY = 1, 2, 4, 8
local FLAG_CANCEL, FLAG_RELEASING, FLAG_PARKED, FLAG_GROUPED = 1, 2, 4, 8 -- GROUPED: its lease ends with others, by `lg`

-- From each status, the statuses a task may move to ('' is before its first event).
local MOVES = {
  [''] = 'bps',
  b = 'bpxs',  -- b to b: what it waits for, or its priority, has changed
  p = 'prbx',  -- p to p: its priority has changed; to b: its key is taken
  r = 'rcftpbx', -- r to r: cancel was asked for; to b: given back while its key is taken
  t = 'ptbx',   -- t to t: its priority has changed
  c = '', f = 'pb', x = 'pb', s = 'pb',
}
local FINAL = { c = true, f = true, x = true, s = true }
-- Which ends satisfy a dependency's condition.
local HOLDS = { c = { c = true }, f = { f = true }, x = { c = true, f = true, x = true, s = true } }

-- A task's number as it stands in queues and edges.
local members = made_by(function(number) return pack('>I6', number) end)

-- ---------------------------------------------------------------------------------------------- commands in bulk

local function call_many(command, key, words)
  local n = #words
  if n == 0 then return end
  if n <= CHUNK then return call(command, key, unpack(words, 1, n)) end
  for i = 1, n, CHUNK do
    call(command, key, unpack(words, i, math.min(i + CHUNK - 1, n)))
  end
end

-- HMGET of any number of fields, as one list.
local function get_many(key, fields)
  local n = #fields
  if n == 0 then return {} end
  if n <= CHUNK then return call('HMGET', key, unpack(fields, 1, n)) end
  local all = {}
  for i = 1, n, CHUNK do
    local part = call('HMGET', key, unpack(fields, i, math.min(i + CHUNK - 1, n)))
    for j = 1, #part do all[#all + 1] = part[j] end
  end
  return all
end

local tasks = {}      -- number -> state, loaded or new
local changed = {}    -- states to be written, each once
local events, event_words = {}, 0 -- this call's events, two texts each: all but the last field, and that one
local zadd, zrem, hset = {}, {}, {} -- key -> words
-- "project US type" -> what its tasks have in common; counts: letter -> by how much their number has changed in this call.
local groups = made_by(function(name)
  local project, type = string.match(name, '^([^\31]*)\31(.*)$')
  return { project = project, type = type, ready = prefix .. 'r:' .. type, counts = {} }
end)
local append, append_untold = {}, {} -- key -> edges; those in append are told should their parent end in this call
local pushed = {}     -- list key -> words
local woken = {}      -- type -> true: its ready queue may have been empty before
local released = 0    -- dependents told so far
local more = false    -- something was left for the sweep

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
    group = groups[string.sub(t[IDENTITY], 1, t[GROUP_BYTES])]
    t[GROUP] = group
  end
  return group
end

local function project_of(t) return group_of(t).project end
local function type_of(t) return group_of(t).type end
local function task_id_of(t) return (string.match(t[IDENTITY], '^([^\31]*)', t[GROUP_BYTES] + 2)) end
local function name_of(t) return project_of(t) .. '/' .. task_id_of(t) end

local DEFAULTS = { max_retries = 3, timeout = 0, limit = 1, backoff = '', key = '' }
local known_constants = { [''] = DEFAULTS }

-- The text is "max_retries US timeout_us US concurrency_limit US backoff US concurrency_key", or "" for the defaults.
local function constants_of(t)
  local text = t[CONSTANTS]
  local constants = known_constants[text]
  if not constants then
    local max_retries, timeout, limit, backoff, key = string.match(text, '^(%d+)\31(%d*)\31(%d*)\31([^\31]*)\31(.*)$')
    constants = { max_retries = tonumber(max_retries), timeout = tonumber(timeout) or 0, limit = tonumber(limit) or 1,
      backoff = backoff, key = key }
    known_constants[text] = constants
  end
  return constants
end

local function decode(bytes, number)
  local t = { number, false, unpack_struct(FORMAT, bytes) }
  t[GROUP] = false -- where unpack() says at which byte it ended
  return t
end

local function encode(t)
  return pack(FORMAT, unpack(t, STATUS, BECAUSE))
end

-- Loads the states of these numbers (those already loaded stay as they are). Absent ones stay absent.
local function load(numbers)
  local wanted, fields, seen, n = {}, {}, {}, 0
  for i = 1, #numbers do
    local number = numbers[i]
    if not tasks[number] and not seen[number] then
      seen[number] = true
      n = n + 1
      wanted[n] = number
      fields[n] = texts[number]
    end
  end
  local states = get_many(prefix .. 't', fields)
  for i = 1, n do
    if states[i] then tasks[wanted[i]] = decode(states[i], wanted[i]) end
  end
end

-- name: "project/task_id". Returns number by name, loading the states too. Reservations ("@token") are left out.
local function find(names)
  local values, numbers = get_many(prefix .. 'id', names), {}
  local found = {}
  for i = 1, #names do
    local n = values[i] and tonumber(values[i])
    if n then
      texts[n] = values[i]
      found[names[i]] = n
      numbers[#numbers + 1] = n
    end
  end
  load(numbers)
  return found
end

local function touch(t)
  if not t[TOUCHED] then
    t[TOUCHED] = true
    changed[#changed + 1] = t
  end
end

-- ---------------------------------------------------------------------------------------------- edges

local EDGES_AT_ONCE = 60
local edge_formats = {}

-- A flat list: number, condition, number, condition …, and how many edges there are.
local function edges(bytes)
  local count = #bytes / EDGE_BYTES
  if count == 0 then return {}, 0 end
  local at_once = math.min(count, EDGES_AT_ONCE)
  local edge_format = edge_formats[at_once]
  if not edge_format then
    edge_format = '>' .. string.rep('I6c1', at_once)
    edge_formats[at_once] = edge_format
  end
  if count == at_once then
    local list = { unpack_struct(edge_format, bytes) }
    list[2 * count + 1] = nil -- where it stopped reading
    return list, count
  end
  local list = {}
  for first = 0, count - 1, at_once do
    local part = first + at_once <= count and { unpack_struct(edge_format, bytes, first * EDGE_BYTES + 1) } or
      edges(string.sub(bytes, first * EDGE_BYTES + 1))
    for i = 1, 2 * math.min(at_once, count - first) do list[2 * first + i] = part[i] end
  end
  return list, count
end

-- The numbers of both, for load(): of `count` edges, added to `numbers`.
local function add_ends(numbers, list, count)
  local n = #numbers
  for i = 1, count do numbers[n + i] = list[2 * i - 1] end
end
