-- Fills an empty Redis from the database, while nothing else works on it: without `epoch` in `m` every other script answers
-- "notready". One builder at a time holds the token in `ld`; a step with another token is refused.
--
-- ARGV[3]  token     ARGV[4]  step:
--   begin   how long the token holds, ms    takes the token if nobody holds it; unless ARGV[6] is the epoch found (or none is
--                                           there), nothing is done: somebody else has rebuilt it already
--   leave                                   gives the token back
--   wipe                                    deletes some keys; replies "more" until none is left
--   tasks   a text each                     number US project US task_id US task_type US batch_id US status US priority US cancel (0, 1) US
--                                           waits US retries US version US attempt US created US ready US due US started (or ended) US seq US worker US
--                                           lease US because US lease grace us US specification or, for a completed one, "=hash US result"
--   edges   a text each                     number US dependencies (as in the specification)
--   counts  "project/type/letter", count   alternating: of all tasks the database knows
--   pauses  "task_type/project" each        graphs   token, "project US batch US slices US tasks", alternating
--   ids     token, then names               reserves ids for a large graph that was decided and is not finished
--   finish  epoch, seq, id, evicted         makes it all live; evicted: how many tasks the database has that are not here
-- Returns  head or "notready", then "ok", "more" or "stale"
-- Cost: O(log n) a task, bounded by what the caller sends.

local token, step = ARGV[3], ARGV[4]
local holder = call('GET', prefix .. 'ld')

local LETTER_BITS = { d = WAIT_DEPENDENCY, t = WAIT_TIME, a = WAIT_APPROVAL, k = WAIT_KEY }
local POLICY = { s = 0, b = 1, r = 2 }
local SPECIFICATION = '^([^\31]*)\31([^\31]*)\31([^\31]*)\31[^\31]*\31([^\31]*)\31([^\31]*)\31([^\31]*)\31[^\31]*\31[^\31]*\31[^\31]*\31([^\31]*)\31([^\31]*)\31'

local function number_of(text)
  return tonumber(text) or 0
end

local function parse_task(text)
  local f, at = {}, 1
  for i = 1, 21 do
    local stop = string.find(text, US, at, true)
    f[i] = string.sub(text, at, stop - 1)
    at = stop + 1
  end
  local bytes, waits = string.sub(text, at), 0
  for letter in string.gmatch(f[9], '.') do waits = waits + LETTER_BITS[letter] end
  local flags, max_retries, timeout, backoff, key, limit, trace, dependencies = string.match(bytes, SPECIFICATION)
  if f[6] == 'c' then flags, max_retries, timeout, backoff, key, limit, trace, dependencies = 's', '0', '0', '', '', '1', '', '' end
  local _, degree = string.gsub(dependencies, '[^,]+', '')
  return { number = tonumber(f[1]), project = f[2], task_id = f[3], type = f[4], batch = f[5], status = f[6],
    priority = tonumber(f[7]), flags = f[8] == '1' and FLAG_CANCEL or 0, waits = waits, retries = number_of(f[10]),
    version = number_of(f[11]), attempt = number_of(f[12]), created = number_of(f[13]), ready = number_of(f[14]),
    due = number_of(f[15]), started = number_of(f[16]), seq = number_of(f[17]), worker = f[18], lease = f[19],
    because = f[20], max_retries = number_of(max_retries), degree = degree, left = 0, limit = number_of(limit),
    timeout = number_of(timeout), policy = POLICY[string.match(flags, '[sbr]') or 's'], hold = 0, key = key,
    backoff = backoff, trace = trace }, tonumber(f[21]), bytes
end

local function place_task(t, grace)
  if t.status == 'p' then
    put(zadd, prefix .. 'r:' .. t.type, number_text(rank(t)), member(t.number))
  elseif t.status == 'r' then
    -- The same lease, a fresh deadline: a running try still counts, for as long as its worker was told.
    local till = now + math.max(grace, t.due - t.started)
    schedule(t, t.timeout > 0 and math.min(till, t.started + t.timeout) or till)
    if t.key ~= '' then key_change(key_name(t), 1) end
  elseif t.status == 't' or (t.status == 'b' and t.waits % 4 >= WAIT_TIME) then
    schedule(t, t.due)
  elseif t.status == 'b' and t.waits == WAIT_KEY then
    put(zadd, prefix .. 'kw:' .. key_name(t), number_text(rank(t)), member(t.number))
  elseif FINAL[t.status] then
    put(pushed, prefix .. 'fin', member(t.number))
  end
end

local STEP = {}

function STEP.begin()
  if holder and holder ~= token then return 'stale' end
  if epoch and epoch ~= ARGV[6] then return 'stale' end
  call('DEL', prefix .. 'm')
  call('SET', prefix .. 'ld', token, 'PX', ARGV[5])
  return 'ok'
end

-- The builder gives up: the next one need not wait for the token to expire.
function STEP.leave()
  call('DEL', prefix .. 'ld')
  return 'ok'
end

function STEP.wipe()
  local cursor, deleted = '0', 0
  repeat
    local page = call('SCAN', cursor, 'MATCH', prefix .. '*', 'COUNT', 1000)
    cursor = page[1]
    for _, name in ipairs(page[2]) do
      if name ~= prefix .. 'ld' and name ~= prefix .. 'rl' then
        call('UNLINK', name)
        deleted = deleted + 1
      end
    end
  until cursor == '0' or deleted >= 1000
  return cursor == '0' and 'ok' or 'more'
end

function STEP.tasks()
  for i = 5, #ARGV do
    local t, grace, bytes = parse_task(ARGV[i])
    tasks[t.number] = t
    place_task(t, grace)
    touch(t)
    put(hset, prefix .. 'id', t.project .. '/' .. t.task_id, number_text(t.number))
    put(hset, prefix .. 'x', number_text(t.number), bytes)
  end
  return 'ok'
end

local function load_edge(t, letter, id, list)
  local n = tonumber(call('HGET', prefix .. 'id', t.project .. '/' .. id) or '')
  local condition = string.lower(letter)
  if not n then
    local name = t.project .. '/' .. id
    call('HSET', prefix .. 'fw', name, (call('HGET', prefix .. 'fw', name) or '') .. pack(EDGE, t.number, string.byte(condition)))
    t.left = t.left + 1
    return
  end
  load({ n })
  list[#list + 1] = pack(EDGE, n, string.byte(condition))
  put(append, prefix .. 'd:' .. number_text(n), pack(EDGE, t.number, string.byte(condition)))
  if not (t.status == 'b' and t.waits % 2 >= WAIT_DEPENDENCY) then return end
  t.left = t.left + 1
  local parent = tasks[n]
  if FINAL[parent.status] and parent.flags % 4 < FLAG_RELEASING then
    parent.flags = parent.flags + FLAG_RELEASING -- the sweep tells its dependents, as after any end
    touch(parent)
    put(pushed, prefix .. 'rel', number_text(n) .. ' 0')
  end
end

function STEP.edges()
  for i = 5, #ARGV do
    local number, dependencies = string.match(ARGV[i], '^(%d+)\31(.*)$')
    load({ tonumber(number) })
    local t, list = tasks[tonumber(number)], {}
    if t then
      for letter, id in string.gmatch(dependencies, '(%a)([^,]+)') do load_edge(t, letter, id, list) end
      if #list > 0 then put(hset, prefix .. 'e', number, table.concat(list)) end
      touch(t)
    end
  end
  return 'ok'
end

function STEP.counts()
  for i = 5, #ARGV, 2 do put(hset, prefix .. 'c', ARGV[i], ARGV[i + 1]) end
  return 'ok'
end

function STEP.pauses()
  for i = 5, #ARGV do call('HSET', prefix .. 'ps', ARGV[i], '1') end
  return 'ok'
end

function STEP.graphs()
  for i = 5, #ARGV, 2 do call('HSET', prefix .. 'ab', ARGV[i], ARGV[i + 1]) end
  return 'ok'
end

function STEP.ids()
  for i = 6, #ARGV do call('HSETNX', prefix .. 'id', ARGV[i], '@' .. ARGV[5]) end
  return 'ok'
end

function STEP.finish()
  call('HSET', prefix .. 'm', 'epoch', ARGV[5], 'seq', ARGV[6], 'id', ARGV[7], 'mark', ARGV[6], 'trim', ARGV[6], 'trimid',
    ARGV[7], 'us', now_text, 'evicted', ARGV[8], 'format', FORMAT_NUMBER)
  call('DEL', prefix .. 'ld')
  return 'ok'
end

if step ~= 'begin' and holder ~= token then return { 'notready', 'stale' } end
local verdict = STEP[step]()
flush_queues()
write_states()
if step ~= 'finish' and step ~= 'leave' and verdict ~= 'stale' then call('PEXPIRE', prefix .. 'ld', 20000) end
return { 'notready', verdict }
