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
local POLICIES = { s = 0, b = 1, r = 2 }
local SPECIFICATION = '^([^\31]*)\31([^\31]*)\31([^\31]*)\31[^\31]*\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31[^\31]*\31[^\31]*\31([^\31]*)\31([^\31]*)\31'

local DEFAULT_TEXT = table.concat({ '3', '', '1', '', '' }, US)

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
  local flags, max_retries, timeout, backoff, key, limit, hash, trace, dependencies = string.match(bytes, SPECIFICATION)
  if f[6] == 'c' then
    flags, max_retries, timeout, backoff, key, limit, trace, dependencies = 's', '3', '', '', '', '1', '', ''
    hash, bytes = string.match(bytes, '^=([^\31]*)\31(.*)$')
    bytes = '=' .. bytes
  end
  local _, degree = string.gsub(dependencies, '[^,]+', '')
  local constants = table.concat({ max_retries, timeout, limit, backoff, key }, US)
  local identity = table.concat({ f[2], f[4], f[3], f[5], trace }, US)
  local t = blank(tonumber(f[1]), f[6], identity, #f[2] + 1 + #f[4])
  t[PRIORITY], t[FLAGS], t[WAITS], t[POLICY] = tonumber(f[7]), f[8] == '1' and FLAG_CANCEL or 0, waits, POLICIES[string.match(flags, '[sbr]') or 's']
  t[RETRIES], t[DEGREE], t[VERSION], t[ATTEMPT] = number_of(f[10]), degree, number_of(f[11]), number_of(f[12])
  t[CREATED], t[READY], t[DUE], t[STARTED], t[SEQ] = number_of(f[13]), number_of(f[14]), number_of(f[15]), number_of(f[16]), number_of(f[17])
  t[CONSTANTS], t[HASH] = constants ~= DEFAULT_TEXT and constants or '', hash
  t[WORKER], t[LEASE], t[BECAUSE] = f[18], f[19], f[20]
  return t, tonumber(f[21]), bytes
end

local function place_task(t, grace)
  if t[STATUS] == 'p' then
    put(zadd, group_of(t).ready, texts[rank(t)], members[t[NUMBER]])
  elseif t[STATUS] == 'r' then
    -- The same lease, a fresh deadline: a running try still counts, for as long as its worker was told.
    local till, timeout = now + math.max(grace, t[DUE] - t[STARTED]), constants_of(t).timeout
    schedule(t, timeout > 0 and math.min(till, t[STARTED] + timeout) or till)
    if has_key(t) then key_change(key_name(t), 1) end
  elseif t[STATUS] == 't' or (t[STATUS] == 'b' and t[WAITS] % 4 >= WAIT_TIME) then
    schedule(t, t[DUE])
  elseif t[STATUS] == 'b' and t[WAITS] == WAIT_KEY then
    put(zadd, prefix .. 'kw:' .. key_name(t), texts[rank(t)], members[t[NUMBER]])
  elseif FINAL[t[STATUS]] then
    put(pushed, prefix .. 'fin', members[t[NUMBER]])
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
    tasks[t[NUMBER]] = t
    place_task(t, grace)
    touch(t)
    put(hset, prefix .. 'id', name_of(t), texts[t[NUMBER]])
    put(hset, prefix .. 'x', texts[t[NUMBER]], bytes)
  end
  return 'ok'
end

local function load_edge(t, letter, id, list)
  local n = tonumber(call('HGET', prefix .. 'id', project_of(t) .. '/' .. id) or '')
  local condition = string.lower(letter)
  if not n then
    local name = project_of(t) .. '/' .. id
    call('HSET', prefix .. 'fw', name, (call('HGET', prefix .. 'fw', name) or '') .. members[t[NUMBER]] .. condition)
    t[LEFT] = t[LEFT] + 1
    return
  end
  load({ n })
  list[#list + 1] = members[n] .. condition
  put(append, prefix .. 'd:' .. texts[n], members[t[NUMBER]] .. condition)
  if not (t[STATUS] == 'b' and t[WAITS] % 2 >= WAIT_DEPENDENCY) then return end
  t[LEFT] = t[LEFT] + 1
  local parent = tasks[n]
  if FINAL[parent[STATUS]] and parent[FLAGS] % 4 < FLAG_RELEASING then
    parent[FLAGS] = parent[FLAGS] + FLAG_RELEASING -- the sweep tells its dependents, as after any end
    touch(parent)
    put(pushed, prefix .. 'rel', texts[n] .. ' 0')
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
