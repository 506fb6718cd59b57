-- What people say: about tasks (cancel, retry, approve, reject, update), about queues (pause, resume), and what is written
-- down for others (a refused enqueue, a large graph decided or done).
--
-- ARGV[3..]  one text each, fields joined by US:
--   cancel|approve|reject US project/task_id US reason        update US project/task_id US priority US reason
--   retry US project/task_id US cascade (0, 1) US by US to US reason
--   pause|resume US task_type US project US reason
--   ended US by US to US row (prelude_rows.lua)                a task for a retry behind it, which said "left" US by: all that the
--                                                              database had when it had come to the seq `to`
--   refused US project US task_type US task_id US batch_id US code US path US message
--   graph US project US batch_id US token US slices US tasks   graph_done|graph_undone US project US batch_id US token
-- Returns    head, and for each but `ended`: a task's status letter, "ok", "later" (say it again: this entry is full), or an
--            error code US message
-- Cost: O(log n) a task; retry O(1) a dependency and dependent; resume in slices, "more" says so.

local UNPARK_BUDGET = 500

-- Others tell by the word what it was, whatever reason somebody gave for it.
local function with_reason(word, reason)
  return { reason = reason ~= '' and word .. ': ' .. reason or word }
end

local function cancel(t, reason)
  if FINAL[t[STATUS]] then return wrong(t, 'it is ' .. STATUS_WORD[t[STATUS]] .. ' already') end
  if t[STATUS] == 'r' then
    if t[FLAGS] % 2 ~= FLAG_CANCEL then
      t[FLAGS] = t[FLAGS] + FLAG_CANCEL
      move(t, 'r', with_reason('cancel requested', reason))
    end
  else
    finish(t, 'x', { reason = reason })
  end
  return t[STATUS]
end

local function approve(t, reason)
  reason = reason ~= '' and reason or 'approved'
  if t[STATUS] ~= 'b' or t[WAITS] % 8 < WAIT_APPROVAL then return wrong(t, 'it waits for no approval') end
  t[WAITS] = t[WAITS] - WAIT_APPROVAL
  if t[WAITS] ~= 0 then
    move(t, 'b', { reason = reason })
  else
    t[READY] = now
    make_ready(t, { reason = reason })
  end
  return t[STATUS]
end

local function reject(t, reason)
  if t[STATUS] ~= 'b' or t[WAITS] % 8 < WAIT_APPROVAL then return wrong(t, 'it waits for no approval') end
  finish(t, 'x', { reason = reason ~= '' and reason or 'rejected' })
  return t[STATUS]
end

local function update(t, priority, reason)
  if FINAL[t[STATUS]] then return wrong(t, 'it is ' .. STATUS_WORD[t[STATUS]] .. ' already') end
  t[PRIORITY] = tonumber(priority)
  local at = texts[rank(t)]
  if t[STATUS] == 'p' then
    put(zadd, t[FLAGS] % 8 >= FLAG_PARKED and prefix .. 'pk:' .. project_of(t) or prefix .. 'r:' .. type_of(t), at, t[MEMBER])
  elseif t[STATUS] == 'b' and t[WAITS] == WAIT_KEY then
    put(zadd, prefix .. 'kw:' .. key_name(t), at, t[MEMBER])
  end
  move(t, t[STATUS], with_reason('updated', reason))
  return t[STATUS]
end

-- ---------------------------------------------------------------------------------------------- queues

local function pause(type, project, reason)
  if call('HSET', prefix .. 'ps', type .. '/' .. project, '1') == 1 then
    record_other('q', project, '', type, '', with_reason('paused', reason))
  end
  return 'ok'
end

local function unpark(project)
  local members = take_first(prefix .. 'pk:' .. project, UNPARK_BUDGET)
  load(members)
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

local function resume(type, project, reason)
  if call('HDEL', prefix .. 'ps', type .. '/' .. project) == 1 then
    record_other('q', project, '', type, '', with_reason('resumed', reason))
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

local ABOUT_OTHERS = {
  pause = function(f) return pause(f[2], f[3], f[4] or '') end,
  resume = function(f) return resume(f[2], f[3], f[4] or '') end,
  refused = function(f)
    for i = 1, #f do f[i] = string.gsub(f[i], '[\28-\31]', '?') end -- part the log's records, and one is a client's path
    record_other('j', f[2], f[4], f[3], f[5], { code = f[6], message = table_concat(f, '?', 8) }, f[7])
    return 'ok'
  end,
  graph = graph, graph_done = graph_done, graph_undone = graph_undone,
}
local ABOUT_TASKS = { cancel = cancel, approve = approve, reject = reject, update = update,
  retry = function(t, cascade, by, to, reason) return retry(t, cascade == '1', by, to, reason or '') end }

local function about_unknown(f)
  if f[1] == 'retry' and not is_sure(f[4], f[5]) then return has_left() end
  return 'not_found' .. US .. 'no such task'
end

verb('command', function()
  local commands, names, rows, reply = {}, {}, {}, { '' }
  begin_retries()
  for i = 3, #ARGV do
    local by, to, row = string_match(ARGV[i], '^ended\31([^\31]*)\31(%d+)\31(.*)$')
    if row then
      local n = #rows
      rows[n + 1], rows[n + 2], rows[n + 3] = by, to, row
    else
      local f = {}
      for field in string_gmatch(ARGV[i] .. US, '([^\31]*)\31') do f[#f + 1] = field end
      commands[#commands + 1] = f
      if ABOUT_TASKS[f[1]] then names[#names + 1] = f[2] end
    end
  end
  bring_all_back(rows)
  local found = find(names)
  for _, f in ipairs(commands) do
    local other, about_task = ABOUT_OTHERS[f[1]], ABOUT_TASKS[f[1]]
    if other then
      reply[#reply + 1] = other(f)
    else
      local t = tasks[found[f[2]] or 0]
      reply[#reply + 1] = t and about_task(t, f[3] or '', f[4] or '', f[5], f[6]) or about_unknown(f)
    end
  end
  reply[1] = commit()
  return reply
end)
