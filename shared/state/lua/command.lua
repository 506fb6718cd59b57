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
  if FINAL[t.status] then return wrong(t, 'it is ' .. STATUS_WORD[t.status] .. ' already') end
  if t.status == 'r' then
    if t.flags % 2 ~= FLAG_CANCEL then
      t.flags = t.flags + FLAG_CANCEL
      move(t, 'r', { reason = 'cancel requested' })
    end
  else
    finish(t, 'x', { reason = reason })
  end
  return t.status
end

local function approve(t)
  if t.status ~= 'b' or t.waits % 8 < WAIT_APPROVAL then return wrong(t, 'it waits for no approval') end
  t.waits = t.waits - WAIT_APPROVAL
  if t.waits ~= 0 then
    move(t, 'b', { reason = 'approved' })
  else
    t.ready = now
    make_ready(t, { reason = 'approved' })
  end
  return t.status
end

local function reject(t, reason)
  if t.status ~= 'b' or t.waits % 8 < WAIT_APPROVAL then return wrong(t, 'it waits for no approval') end
  finish(t, 'x', { reason = reason ~= '' and reason or 'rejected' })
  return t.status
end

local function update(t, priority)
  if FINAL[t.status] then return wrong(t, 'it is ' .. STATUS_WORD[t.status] .. ' already') end
  t.priority = tonumber(priority)
  local at = number_text(rank(t))
  if t.status == 'p' then
    put(zadd, t.flags % 8 >= FLAG_PARKED and prefix .. 'pk:' .. t.project or prefix .. 'r:' .. t.type, at, member(t.number))
  elseif t.status == 'b' and t.waits == WAIT_KEY then
    put(zadd, prefix .. 'kw:' .. key_name(t), at, member(t.number))
  end
  move(t, t.status, { reason = 'updated' })
  return t.status
end

-- ---------------------------------------------------------------------------------------------- retry

local function read_edges(hash_or_string, t)
  if hash_or_string == 'e' then return edges(call('HGET', prefix .. 'e', number_text(t.number)) or '') end
  return edges(call('GET', prefix .. 'd:' .. number_text(t.number)) or '')
end

local function load_ends(list)
  local numbers = {}
  for i = 1, #list do numbers[i] = list[i][1] end
  load(numbers)
end

-- Counts what a task still waits for; the second value is a dependency that makes it impossible.
local function count_unmet(t, again)
  local left, impossible = 0, nil
  local parents = read_edges('e', t)
  load_ends(parents)
  for _, edge in ipairs(parents) do
    local parent = tasks[edge[1]]
    local open = parent and (again[edge[1]] or not FINAL[parent.status])
    if open or (parent and not HOLDS[edge[2]][parent.status] and t.policy ~= 2) then left = left + 1 end
    if not open and parent and not HOLDS[edge[2]][parent.status] and t.policy == 0 then impossible = parent.task_id end
  end
  return left, impossible
end

-- Dependents that had counted this end must wait for the next one.
local function take_back(t, again)
  local children = read_edges('d', t)
  load_ends(children)
  for _, edge in ipairs(children) do
    local child = tasks[edge[1]]
    if child and child.status == 'b' and child.waits % 2 >= WAIT_DEPENDENCY and not again[edge[1]] then
      if HOLDS[edge[2]][t.status] or child.policy == 2 then
        child.left = child.left + 1
        touch(child)
      end
    end
  end
end

-- The tasks that were skipped because of those in the queue, and because of them in turn.
local function gather_skipped(t, queue, again)
  local children = read_edges('d', t)
  load_ends(children)
  for _, edge in ipairs(children) do
    local child = tasks[edge[1]]
    if child and child.status == 's' and child.because == t.task_id and not again[edge[1]] then
      again[edge[1]] = true
      queue[#queue + 1] = child
    end
  end
end

local function restart(t, reason)
  t.flags, t.retries, t.because, t.lease, t.worker = 0, 0, '', '', ''
  t.waits = t.left > 0 and WAIT_DEPENDENCY or 0
  t.ready = t.left > 0 and 0 or now
  if t.left > 0 then return move(t, 'b', { reason = reason }) end
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
      if impossible then again[kept[i].number] = nil else list[#list + 1] = kept[i] end
    end
    dropped = #kept - #list
    kept = list
  until dropped == 0
  return kept
end

local function retry(t, cascade)
  if not FINAL[t.status] or t.status == 'c' then return wrong(t, 'it is ' .. STATUS_WORD[t.status] .. ': only failed, cancelled and skipped tasks are retried') end
  local queue, again, at = { t }, { [t.number] = true }, 1
  while at <= #queue do
    if queue[at].flags % 4 >= FLAG_RELEASING then return 'unavailable' .. US .. 'its dependents are still being told of its end: repeat later' end
    if #queue > RETRY_BUDGET then return 'limit_exceeded' .. US .. 'too many tasks would go along: retry them in parts' end
    if cascade then gather_skipped(queue[at], queue, again) end
    at = at + 1
  end
  local _, impossible = count_unmet(t, again)
  if impossible then return wrong(t, 'its dependency ' .. impossible .. ' has ended: retry that one, with cascade') end
  queue = drop_impossible(t, queue, again)
  for _, each in ipairs(queue) do
    take_back(each, again)
    each.left = count_unmet(each, again)
  end
  for _, each in ipairs(queue) do restart(each, each == t and 'retried' or 'retried with ' .. t.task_id) end
  return t.status
end

-- ---------------------------------------------------------------------------------------------- queues

local function pause(type, project)
  if call('HSET', prefix .. 'ps', type .. '/' .. project, '1') == 1 then
    record_other('q', project, '', type, '', { reason = 'paused' })
  end
  return 'ok'
end

local function unpark(project)
  local popped = call('ZPOPMIN', prefix .. 'pk:' .. project, UNPARK_BUDGET)
  local numbers = {}
  for i = 1, #popped, 2 do numbers[#numbers + 1] = (unpack_struct('>I6', popped[i])) end
  load(numbers)
  for i = 1, #numbers do
    local t = tasks[numbers[i]]
    if t and t.status == 'p' then
      if t.flags % 8 >= FLAG_PARKED then t.flags = t.flags - FLAG_PARKED end
      touch(t)
      put(zadd, prefix .. 'r:' .. t.type, number_text(rank(t)), member(t.number))
      woken[t.type] = true
    end
  end
  if #numbers == UNPARK_BUDGET then more = true end
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
  call('HSET', prefix .. 'ab', f[4], table.concat({ f[2], f[3], f[5], f[6] }, US))
  record_other('g', f[2], '', '', f[3], { extra = table.concat({ f[4], f[5], f[6] }, US) })
  return 'ok'
end

local function graph_done(f)
  call('HDEL', prefix .. 'rs', f[4])
  if call('HDEL', prefix .. 'ab', f[4]) == 1 then record_other('h', f[2], '', '', f[3], { extra = f[4] }) end
  return 'ok'
end

-- Its reserved ids were given back, or it turned out to be known.
local function graph_undone(f)
  call('HDEL', prefix .. 'rs', f[4])
  return 'ok'
end

local function refused(f)
  record_other('j', f[2], f[4], f[3], f[5], { code = f[6], extra = f[7], message = table.concat(f, US, 8) })
  return 'ok'
end

local ABOUT_OTHERS = {
  pause = function(f) return pause(f[2], f[3]) end,
  resume = function(f) return resume(f[2], f[3]) end,
  refused = refused, graph = graph, graph_done = graph_done, graph_undone = graph_undone,
}
local ABOUT_TASKS = { cancel = cancel, approve = approve, reject = reject, update = update,
  retry = function(t, cascade) return retry(t, cascade == '1') end }

local commands, names, reply = {}, {}, { '' }
for i = 3, #ARGV do
  local f = {}
  for field in string.gmatch(ARGV[i] .. US, '([^\31]*)\31') do f[#f + 1] = field end
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
