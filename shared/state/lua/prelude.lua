-- The state machine of a task. This text stands before every verb, so that a task's status changes in one place only:
-- move(), by the table MOVES. A call loads what it needs into `tasks`, decides on that copy, and writes everything in
-- commit(): nothing is written before everything was checked, and each structure is read and written once a call.
--
-- KEYS[1]  the partition's prefix, "{p0}:" ; every key is that and a name below
-- ARGV[1]  the id of the entry this call may write (24 characters, made by the caller, new for each call)
-- ARGV[2]  microseconds of waiting that are worth one point of the score (3600000000 when an hour is one point);
--          load.lua, which alone works on an empty Redis, has the word "load" before it
--
-- Keys: m     hash: epoch, seq and id (last entry), mark and markid (last known to be in the log), trim and trimid,
--             us (the clock), evicted (how many tasks have left Redis), format (of what is stored)
--       id    hash: "project/task_id" -> number, or "@token" while a large graph is being admitted
--       t     hash: number -> packed state (FORMAT)          x   hash: number -> specification, or "=hash US result"
--       e     hash: number -> its dependencies (7 bytes an edge: number, condition)
--       d:<number>  string: its dependents (7 bytes an edge)  fw  hash: "project/task_id" -> dependents of one to come
--       r:<type>    zset: ready, by rank                      due zset: the next time something must be done about a task
--       k     hash: "project/key" -> how many run            kw:<project/key>  zset: waiting for the key, by rank
--       ps    hash: paused: "type/project"                    pk:<project>  zset: ready but parked by a paused project
--       rel   list: ends whose dependents are not all told: "number offset"
--       fin   list: ended tasks in order of their end        c   hash: "project/type/letter" -> tasks
--       rq:<type>/<request id>  the leases a work request got   ab  hash: token -> a large graph being admitted
--       rs  hash: token -> project, batch, last time: a large graph whose ids are being reserved
--       ob    stream: the outbox, an entry a call that changed something
--       ld, rl  who rebuilds, who relays (no state: they expire)

local US, RS = '\31', '\30'
local prefix, entry_id, us_per_point = KEYS[1], ARGV[1], tonumber(string.match(ARGV[2], '%d+'))
local call, format = redis.call, string.format
local pack, unpack_struct = struct.pack, struct.unpack

-- number formats: 6 bytes hold sequence numbers, 7 bytes microseconds since 1970.
local FORMAT = '>BBBBHHIIIII' .. 'I7I7I7I7I6I6' .. 'BB' .. 'ssssssssss'
local FORMAT_NUMBER = '1' -- raise it with every change of what is stored (and STATE_FORMAT in state.h): Redis is rebuilt then
local EDGE = '>I6B'
local EDGE_BYTES = 7
local CHUNK = 2000 -- words in one command; Lua's stack holds some 8000
local EDGE_BUDGET = 1000 -- dependents told in one call; the rest is left to the sweep, in `rel`

local WAIT_DEPENDENCY, WAIT_TIME, WAIT_APPROVAL, WAIT_KEY = 1, 2, 4, 8
local FLAG_CANCEL, FLAG_RELEASING, FLAG_PARKED = 1, 2, 4

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

local texts, members = {}, {} -- of numbers seen in this call: most are needed several times

-- '%d' and not tostring(): exact up to 2^53, and several times faster than anything that prints a float.
local function number_text(value)
  local text = texts[value]
  if not text then
    text = format('%d', value)
    texts[value] = text
  end
  return text
end

local function optional_text(value)
  if value == 0 then return '' end
  return number_text(value)
end

-- ---------------------------------------------------------------------------------------------- commands in bulk

local function call_many(command, key, words)
  local n = #words
  if n == 0 then return end
  if n <= CHUNK then return call(command, key, unpack(words)) end
  for i = 1, n, CHUNK do
    call(command, key, unpack(words, i, math.min(i + CHUNK - 1, n)))
  end
end

-- HMGET of any number of fields, as one list.
local function get_many(key, fields)
  local n = #fields
  if n == 0 then return {} end
  if n <= CHUNK then return call('HMGET', key, unpack(fields)) end
  local all = {}
  for i = 1, n, CHUNK do
    local part = call('HMGET', key, unpack(fields, i, math.min(i + CHUNK - 1, n)))
    for j = 1, #part do all[#all + 1] = part[j] end
  end
  return all
end

-- ---------------------------------------------------------------------------------------------- the call's own view

local meta = call('HMGET', prefix .. 'm', 'epoch', 'seq', 'id', 'mark', 'us', 'trim', 'evicted', 'format')
local epoch = meta[1]
if meta[8] ~= FORMAT_NUMBER and not string.find(ARGV[2], 'load', 1, true) then return { 'notready' } end
local last_seq, mark_seq = tonumber(meta[2] or 0), tonumber(meta[4] or 0)
local trim_seq, evicted = tonumber(meta[6] or 0), tonumber(meta[7] or 0)
local clock = call('TIME')
local now = math.max(tonumber(meta[5] or 0), clock[1] * 1000000 + clock[2])
local now_text = number_text(now)
local first_seq = last_seq + 1

local tasks = {}      -- number -> state, loaded or new
local changed = {}    -- states to be written, each once
local records = {}    -- this call's events
local zadd, zrem, hset = {}, {}, {} -- key -> words
local hincr = {}      -- project -> type -> letter -> change
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
  words[#words + 1] = a
  if b ~= nil then words[#words + 1] = b end
end

local function inner(outer, key)
  local found = outer[key]
  if not found then
    found = {}
    outer[key] = found
  end
  return found
end

local function count(task, letter, by)
  local letters = inner(inner(hincr, task.project), task.type)
  letters[letter] = (letters[letter] or 0) + by
end

local function decode(bytes, number)
  local status, priority, flags, waits, retries, max_retries, degree, left, version, attempt, limit, created, ready, due,
    started, timeout, seq, policy, hold, project, task_id, type, batch, key, backoff, worker, lease, because, trace =
    unpack_struct(FORMAT, bytes)
  return {
    number = number, status = string.char(status), priority = priority, flags = flags, waits = waits, retries = retries,
    max_retries = max_retries, degree = degree, left = left, version = version, attempt = attempt, limit = limit,
    created = created, ready = ready, due = due, started = started, timeout = timeout, seq = seq, policy = policy,
    hold = hold, project = project, task_id = task_id, type = type, batch = batch, key = key, backoff = backoff,
    worker = worker, lease = lease, because = because, trace = trace,
  }
end

local function encode(t)
  return pack(FORMAT, string.byte(t.status), t.priority, t.flags, t.waits, t.retries, t.max_retries, t.degree, t.left,
    t.version, t.attempt, t.limit, t.created, t.ready, t.due, t.started, t.timeout, t.seq, t.policy, t.hold, t.project,
    t.task_id, t.type, t.batch, t.key, t.backoff, t.worker, t.lease, t.because, t.trace)
end

-- Loads the states of these numbers (those already loaded stay as they are). Absent ones stay absent.
local function load(numbers)
  local wanted, fields, seen = {}, {}, {}
  for i = 1, #numbers do
    local n = numbers[i]
    if not tasks[n] and not seen[n] then
      seen[n] = true
      wanted[#wanted + 1] = n
      fields[#fields + 1] = number_text(n)
    end
  end
  local states = get_many(prefix .. 't', fields)
  for i = 1, #wanted do
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
      found[names[i]] = n
      numbers[#numbers + 1] = n
    end
  end
  load(numbers)
  return found
end

local function touch(t)
  if not t.touched then
    t.touched = true
    changed[#changed + 1] = t
  end
end

local function edges(bytes)
  local list = {}
  for i = 1, #bytes, EDGE_BYTES do
    local n, condition = unpack_struct(EDGE, bytes, i)
    list[#list + 1] = { n, string.char(condition) }
  end
  return list
end

local function member(number)
  local bytes = members[number]
  if not bytes then
    bytes = pack('>I6', number)
    members[number] = bytes
  end
  return bytes
end
