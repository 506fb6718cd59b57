-- Fills an empty Redis from the database, while nothing else works on it: without `epoch` in `m` every other script answers
-- "notready". One builder at a time holds the token: `ld` has it and the number of the last step. A step with another token is
-- refused, and one that does not follow the last: where Redis has fallen back, a step is missing that was answered.
--
-- ARGV[3]  "token number", steps numbered from 1     ARGV[4]  step:
--   begin   how long the token holds, ms    takes the token if nobody holds it; unless ARGV[6] is the epoch found (or none is
--                                           there), nothing is done: somebody else has rebuilt it already
--   leave                                   gives the token back
--   wipe                                    deletes some keys; replies "more" until none is left
--   tasks   a text each                     see prelude_rows.lua
--   edges   a text each                     number US dependencies (as in the specification)
--   counts  "project/type/letter", count   alternating: of the tasks of a page, added to those of the pages before
--   pauses  "task_type/project" each        graphs   token, "project US batch US slices US tasks", alternating
--   finish  epoch, seq, id, evicted         makes it all live; evicted: how many tasks the database has that are not here
-- Returns  head or "notready", then "ok", "more" or "stale"
-- Cost: O(log n) a task, bounded by what the caller sends.

local token, number -- who calls, and which of its steps this is
local holder, last -- who holds the lock, and its last step

local function place_task(t, grace)
  if t[STATUS] == 'p' then
    put(zadd, group_of(t).ready, texts[rank(t)], t[MEMBER])
  elseif t[STATUS] == 'r' then
    -- The same lease, a fresh deadline: a running try still counts, for as long as its worker was told.
    local till, timeout = now + math_max(grace, t[DUE] - t[STARTED]), constants_of(t).timeout
    schedule(t, timeout > 0 and math_min(till, t[STARTED] + timeout) or till)
    if has_key(t) then key_change(key_name(t), 1) end
  elseif t[STATUS] == 't' or (t[STATUS] == 'b' and t[WAITS] % 4 >= WAIT_TIME) then
    schedule(t, t[DUE])
  elseif t[STATUS] == 'b' and t[WAITS] == WAIT_KEY then
    put(zadd, prefix .. 'kw:' .. key_name(t), texts[rank(t)], t[MEMBER])
  elseif FINAL[t[STATUS]] then
    finished[#finished + 1] = t[MEMBER]
  end
end

local STEP = {}

function STEP.begin()
  if holder and holder ~= token then return 'stale' end
  if epoch and epoch ~= ARGV[6] then return 'stale' end
  call('DEL', key_m)
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
    local t, grace, bytes, failed = row_task(ARGV[i])
    tasks[t[MEMBER]] = t
    place_task(t, grace)
    touch(t)
    if failed then put(hset, prefix .. 'er', t[MEMBER], failed) end
    local n = #new_ids
    new_ids[n + 1], new_ids[n + 2], payloads[n + 1], payloads[n + 2] = name_of(t), t[MEMBER], t[MEMBER], bytes
  end
  return 'ok'
end

local function load_edge(t, letter, id, list)
  local name, condition = project_of(t) .. '/' .. id, string_lower(letter)
  local n = call('HGET', key_id, name)
  if not n or string_byte(n) == RESERVED then
    put(coming, name, t[MEMBER] .. condition)
    t[LEFT] = t[LEFT] + 1
    return
  end
  load({ n })
  list[#list + 1] = n .. condition
  put(append, key_d .. n, t[MEMBER] .. condition)
  if not (t[STATUS] == 'b' and t[WAITS] % 2 >= WAIT_DEPENDENCY) then return end
  t[LEFT] = t[LEFT] + 1
  local parent = tasks[n]
  if FINAL[parent[STATUS]] and parent[FLAGS] % 4 < FLAG_RELEASING then
    parent[FLAGS] = parent[FLAGS] + FLAG_RELEASING -- the sweep tells its dependents, as after any end
    touch(parent)
    told_later[#told_later + 1] = n .. '0'
  end
end

function STEP.edges()
  for i = 5, #ARGV do
    local number, dependencies = string_match(ARGV[i], '^(%d+)\31(.*)$')
    local member = member_of(tonumber(number))
    load({ member })
    local t, list = tasks[member], {}
    if t then
      for letter, id in string_gmatch(dependencies, '(%a)([^,]+)') do load_edge(t, letter, id, list) end
      if #list > 0 then put(hset, key_e, member, table_concat(list)) end
      touch(t)
    end
  end
  return 'ok'
end

function STEP.counts()
  for i = 5, #ARGV, 2 do call('HINCRBY', prefix .. 'c', ARGV[i], ARGV[i + 1]) end
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

function STEP.finish()
  call('HSET', key_m, 'epoch', ARGV[5], 'seq', ARGV[6], 'id', ARGV[7], 'mark', ARGV[6], 'trim', ARGV[6], 'trimid',
    ARGV[7], 'us', now_text, 'evicted', ARGV[8], 'evictedto', ARGV[6], 'evictedby', ARGV[5], 'format', FORMAT_NUMBER)
  call('DEL', prefix .. 'ld')
  return 'ok'
end

local function name_step()
  local its = call('GET', prefix .. 'ld')
  token, number = string_match(ARGV[3], '^(%S+) (%d+)$')
  holder, last = nil, nil
  if its then holder, last = string_match(its, '^(%S+) (%d+)$') end
end

local function in_order(step)
  if step == 'begin' then return true end
  return holder == token and (step == 'leave' or tonumber(last) + 1 == tonumber(number))
end

-- Works where there is no epoch, unlike every other verb.
function verbs.load(keys, argv)
  begin_call(keys, argv)
  begin_tasks()
  local step = ARGV[4]
  name_step()
  if not in_order(step) then return { 'notready', 'stale' } end
  local verdict = STEP[step]()
  flush_queues()
  write_states()
  if step ~= 'finish' and step ~= 'leave' and verdict ~= 'stale' then
    call('SET', prefix .. 'ld', ARGV[3], 'PX', step == 'begin' and ARGV[5] or 20000)
  end
  return { 'notready', verdict }
end
