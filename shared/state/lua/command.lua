-- What people say: about tasks (cancel, retry, approve, reject, update), about queues (pause, resume), and what is written
-- down for others (a refused enqueue, a large graph decided or done).
--
-- ARGV[3..]  one text each, fields joined by US:
--   cancel|approve|reject US project/task_id US reason        update US project/task_id US priority
--   retry US project/task_id US cascade (0, 1)                 pause|resume US task_type US project
--   refused US project US task_type US task_id US batch_id US code US path US message
--   graph US project US batch_id US token US slices US tasks   graph_done|graph_undone US project US batch_id US token
-- Returns    head, and for each: a task's status letter, "ok", or an error code US message
-- Cost: O(log n) a task; retry O(1) a dependency and dependent; resume in slices, "more" says so.

local UNPARK_BUDGET = 500
local RETRY_BUDGET = 5000 -- tasks one cascade takes along

local function wrong(t, message)
  return 'wrong_status' .. US .. message
end

local STATUS_WORD = { b = 'blocked', p = 'pending', r = 'running', t = 'retry', c = 'completed', f = 'failed',
  x = 'cancelled', s = 'skipped' }

local function cancel(t, reason)
  if FINAL[t[STATUS]] then return wrong(t, 'it is ' .. STATUS_WORD[t[STATUS]] .. ' already') end
  if t[STATUS] == 'r' then
    if t[FLAGS] % 2 ~= FLAG_CANCEL then
      t[FLAGS] = t[FLAGS] + FLAG_CANCEL
      move(t, 'r', { reason = 'cancel requested' })
    end
  else
    finish(t, 'x', { reason = reason })
  end
  return t[STATUS]
end

local function approve(t)
  if t[STATUS] ~= 'b' or t[WAITS] % 8 < WAIT_APPROVAL then return wrong(t, 'it waits for no approval') end
  t[WAITS] = t[WAITS] - WAIT_APPROVAL
  if t[WAITS] ~= 0 then
    move(t, 'b', { reason = 'approved' })
  else
    t[READY] = now
    make_ready(t, { reason = 'approved' })
  end
  return t[STATUS]
end

local function reject(t, reason)
  if t[STATUS] ~= 'b' or t[WAITS] % 8 < WAIT_APPROVAL then return wrong(t, 'it waits for no approval') end
  finish(t, 'x', { reason = reason ~= '' and reason or 'rejected' })
  return t[STATUS]
end

local function update(t, priority)
  if FINAL[t[STATUS]] then return wrong(t, 'it is ' .. STATUS_WORD[t[STATUS]] .. ' already') end
  t[PRIORITY] = tonumber(priority)
  local at = texts[rank(t)]
  if t[STATUS] == 'p' then
    put(zadd, t[FLAGS] % 8 >= FLAG_PARKED and prefix .. 'pk:' .. project_of(t) or prefix .. 'r:' .. type_of(t), at, t[MEMBER])
  elseif t[STATUS] == 'b' and t[WAITS] == WAIT_KEY then
    put(zadd, prefix .. 'kw:' .. key_name(t), at, t[MEMBER])
  end
  move(t, t[STATUS], { reason = 'updated' })
  return t[STATUS]
end

-- ---------------------------------------------------------------------------------------------- retry

local function load_edges(bytes)
  local list, count = edges(bytes or '')
  local members = {}
  add_ends(members, list, count)
  load(members)
  return list
end

local function parents_of(t) return load_edges(call('HGET', key_e, t[MEMBER])) end
local function children_of(t) return load_edges(call('GET', key_d .. t[MEMBER])) end

-- The dependencies of an ended task that may come later and have not: name and edge of each. Its specification names them.
local function still_to_come(t)
  local specification, list = call('HGET', key_x, t[MEMBER]) or '', {}
  local dependencies = string_match(specification, '^' .. string.rep('[^\31]*\31', 11) .. '([^\31]*)\31') or ''
  for letter, id in string_gmatch(dependencies, '(%u)([^,]+)') do
    local name = project_of(t) .. '/' .. id
    local known = call('HGET', key_id, name)
    if not known or string_byte(known) == RESERVED then
      list[#list + 1] = { name, t[MEMBER] .. string_lower(letter) }
    end
  end
  return list
end

-- It waits for them as a new task would, if it does not yet.
local function await_again(t)
  for _, each in ipairs(still_to_come(t)) do
    local waiting = call('HGET', prefix .. 'fw', each[1]) or ''
    if not string_find(waiting, each[2], 1, true) then call('HSET', prefix .. 'fw', each[1], waiting .. each[2]) end
  end
end

-- Counts what a task still waits for; the second value is a dependency that makes it impossible.
local function count_unmet(t, again)
  local list = parents_of(t)
  local left, impossible = #list < 2 * t[DEGREE] and #still_to_come(t) or 0, nil
  for i = 1, #list, 2 do
    local parent = tasks[list[i]]
    local open = parent and (again[list[i]] or not FINAL[parent[STATUS]])
    local met = parent and HOLDS[list[i + 1]][parent[STATUS]]
    if open or (parent and not met and t[POLICY] ~= 2) then left = left + 1 end
    if not open and parent and not met and t[POLICY] == 0 then impossible = task_id_of(parent) end
  end
  return left, impossible
end

-- Dependents that had counted this end must wait for the next one.
local function take_back(t, again)
  local list = children_of(t)
  for i = 1, #list, 2 do
    local child = tasks[list[i]]
    if child and child[STATUS] == 'b' and child[WAITS] % 2 >= WAIT_DEPENDENCY and not again[list[i]] then
      if HOLDS[list[i + 1]][t[STATUS]] or child[POLICY] == 2 then
        child[LEFT] = child[LEFT] + 1
        touch(child)
      end
    end
  end
end

-- The tasks that were skipped because of those in the queue, and because of them in turn.
local function gather_skipped(t, queue, again)
  local list = children_of(t)
  for i = 1, #list, 2 do
    local child = tasks[list[i]]
    if child and child[STATUS] == 's' and child[BECAUSE] == task_id_of(t) and not again[list[i]] then
      again[list[i]] = true
      queue[#queue + 1] = child
    end
  end
end

local function restart(t, reason)
  t[FLAGS], t[RETRIES], t[BECAUSE], t[LEASE], t[WORKER] = 0, 0, '', '', ''
  t[WAITS] = t[LEFT] > 0 and WAIT_DEPENDENCY or 0
  t[READY] = t[LEFT] > 0 and 0 or now
  if t[LEFT] > 0 then return move(t, 'b', { reason = reason }) end
  make_ready(t, { reason = reason })
end

-- Of those that would go along with t, the ones that another dependency keeps impossible stay as they are, and so do
-- those that depend on them.
local function drop_impossible(t, queue, again)
  local kept, dropped = queue, 0
  repeat
    local list = { t }
    for i = 2, #kept do
      local _, impossible = count_unmet(kept[i], again)
      if impossible then again[kept[i][MEMBER]] = nil else list[#list + 1] = kept[i] end
    end
    dropped = #kept - #list
    kept = list
  until dropped == 0
  return kept
end

-- One that came back because others depend on it, with its end and without what it was (revive() in admit.lua).
local function is_remnant(t)
  return string_byte(call('HGET', key_x, t[MEMBER]) or '=') == 61 -- "="
end

local function retry(t, cascade)
  if not FINAL[t[STATUS]] or t[STATUS] == 'c' then return wrong(t, 'it is ' .. STATUS_WORD[t[STATUS]] .. ': only failed, cancelled and skipped tasks are retried') end
  if is_remnant(t) then return wrong(t, 'it is ' .. STATUS_WORD[t[STATUS]] .. ', and of what it was only its end is in Redis: submit it under a new id') end
  local queue, again, at = { t }, { [t[MEMBER]] = true }, 1
  while at <= #queue do
    if queue[at][FLAGS] % 4 >= FLAG_RELEASING then return 'unavailable' .. US .. 'its dependents are still being told of its end: repeat later' end
    if #queue > RETRY_BUDGET then return 'limit_exceeded' .. US .. 'too many tasks would go along: retry them in parts' end
    if cascade then gather_skipped(queue[at], queue, again) end
    at = at + 1
  end
  local _, impossible = count_unmet(t, again)
  if impossible then return wrong(t, 'its dependency ' .. impossible .. ' has ended: retry that one, with cascade') end
  queue = drop_impossible(t, queue, again)
  for _, each in ipairs(queue) do
    take_back(each, again)
    each[LEFT] = count_unmet(each, again)
    if each[LEFT] > 0 then await_again(each) end
  end
  for _, each in ipairs(queue) do restart(each, each == t and 'retried' or 'retried with ' .. task_id_of(t)) end
  return t[STATUS]
end

-- ---------------------------------------------------------------------------------------------- queues

local function pause(type, project)
  if call('HSET', prefix .. 'ps', type .. '/' .. project, '1') == 1 then
    record_other('q', project, '', type, '', { reason = 'paused' })
  end
  return 'ok'
end

local function unpark(project)
  local members = members_of(call('ZPOPMIN', prefix .. 'pk:' .. project, UNPARK_BUDGET))
  for i = 1, #members do
    local t = tasks[members[i]]
    if t and t[STATUS] == 'p' then
      if t[FLAGS] % 8 >= FLAG_PARKED then t[FLAGS] = t[FLAGS] - FLAG_PARKED end
      touch(t)
      enter_ready(t)
    end
  end
  if #members == UNPARK_BUDGET then more = true end
end

local function resume(type, project)
  if call('HDEL', prefix .. 'ps', type .. '/' .. project) == 1 then
    record_other('q', project, '', type, '', { reason = 'resumed' })
  end
  if type ~= '' then woken[type] = 'was empty' end
  if project ~= '' then unpark(project) end
  return 'ok'
end

-- ---------------------------------------------------------------------------------------------- the call

local function graph(f)
  call('HDEL', prefix .. 'rs', f[4])
  call('HSET', prefix .. 'ab', f[4], table_concat({ f[2], f[3], f[5], f[6] }, US))
  record_other('g', f[2], '', '', f[3], nil, table_concat({ f[4], f[5], f[6] }, US))
  return 'ok'
end

local function graph_done(f)
  call('HDEL', prefix .. 'rs', f[4])
  if call('HDEL', prefix .. 'ab', f[4]) == 1 then record_other('h', f[2], '', '', f[3], nil, f[4]) end
  return 'ok'
end

-- Its reserved ids were given back, or it turned out to be known.
local function graph_undone(f)
  call('HDEL', prefix .. 'rs', f[4])
  return 'ok'
end

local function refused(f)
  record_other('j', f[2], f[4], f[3], f[5], { code = f[6], message = table_concat(f, US, 8) }, f[7])
  return 'ok'
end

local ABOUT_OTHERS = {
  pause = function(f) return pause(f[2], f[3]) end,
  resume = function(f) return resume(f[2], f[3]) end,
  refused = refused, graph = graph, graph_done = graph_done, graph_undone = graph_undone,
}
local ABOUT_TASKS = { cancel = cancel, approve = approve, reject = reject, update = update,
  retry = function(t, cascade) return retry(t, cascade == '1') end }

verb('command', function()
  local commands, names, reply = {}, {}, { '' }
  for i = 3, #ARGV do
    local f = {}
    for field in string_gmatch(ARGV[i] .. US, '([^\31]*)\31') do f[#f + 1] = field end
    commands[#commands + 1] = f
    if ABOUT_TASKS[f[1]] then names[#names + 1] = f[2] end
  end
  local found = find(names)
  for _, f in ipairs(commands) do
    local other, about_task = ABOUT_OTHERS[f[1]], ABOUT_TASKS[f[1]]
    if other then
      reply[#reply + 1] = other(f)
    else
      local t = tasks[found[f[2]] or 0]
      reply[#reply + 1] = t and about_task(t, f[3] or '') or 'not_found' .. US .. 'no such task'
    end
  end
  reply[1] = commit()
  return reply
end)
