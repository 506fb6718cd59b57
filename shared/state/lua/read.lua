-- What the monitor looks at; changes nothing.
--
-- ARGV[3]  one of
--   counts                          reply: "project/type/letter" and the count, alternating
--   tasks   names…                  reply: per name nil, or the list of describe() below and its specification or result
--   ready   task_type limit [project]  reply: describe() of the first `limit` (of that project) that could be leased
--                                   now, best first, without their specifications; looks at some thousand at most
--   queues                          reply: task_type, depth, oldest ready_us, alternating threes (types with ready work)
--   depths                          reply: task_type, then how many of its ready tasks have a score of 0 to 99, 100 to 199, …,
--                                   1000 and more: by priority, but who has waited for 85 points counts higher; twelves
--   running from count              reply: describe() of the tasks that run, as far as they are among so many that
--                                   something is due for, from there on; after them "" when there are more to look at
--   place   name                    reply: how many ready tasks of its type stand before it, or nil
--   key     project/key             reply: how many run with it, how many wait for it, then the task_ids of those that
--                                   run, as far as they are among the next, or last, LOOKED_AT that something is due for
--   edges   name limit              reply: per dependency task_id, status letter, condition; then "", then the same of dependents
--   lags                            reply: seq, mark, trim, due-and-late count, oldest lease overdue us, rel length, memory
--                                   bytes, and how many there may be (0: not known)
--   pauses                          reply: "task_type/project" each
-- Returns  head, then the reply's items

local LOOKED_AT = 1000

local reply

-- bytes: what `x` holds; the specification is not there any more when a task has completed.
local function describe(t, bytes)
  local its = constants_of(t)
  if string_byte(bytes) == RESULT then bytes = '' end
  local project, type, task_id, batch = string_match(t[FIXED], '^([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)')
  return { texts[number_of(t[MEMBER])], project, task_id, type, batch, t[STATUS], texts[t[PRIORITY]],
    texts[t[ATTEMPT]], texts[t[RETRIES]], texts[t[VERSION]], WAIT_LETTERS[t[WAITS]], texts[t[CREATED]],
    texts[t[READY]], texts[t[DUE]], texts[t[STARTED]], texts[t[DEGREE]], texts[t[LEFT]], t[WORKER],
    t[LEASE], t[BECAUSE], texts[t[FLAGS] % FLAG_GROUPED], its.key, texts[its.limit],
    texts[its.max_retries], its.order and 'o' .. texts[its.order] or '', bytes }
end

local function known_types()
  local types, list, counts = {}, {}, call('HKEYS', prefix .. 'c')
  for i = 1, #counts do
    local type = string_match(counts[i], '^[^/]*/([^/]*)/')
    if type and not types[type] then
      types[type] = true
      list[#list + 1] = type
    end
  end
  return list
end

local function add_edges_of(bytes)
  local list, count = edges(bytes)
  local members = {}
  add_ends(members, list, count)
  load(members)
  for i = 1, 2 * count, 2 do
    local t = tasks[list[i]]
    if t then
      reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = task_id_of(t), t[STATUS], list[i + 1]
    end
  end
end

local function loaded(members)
  load(members)
  return members
end

local READ = {}

function READ.counts()
  local all = call('HGETALL', prefix .. 'c')
  for i = 1, #all do reply[#reply + 1] = all[i] end
end

function READ.tasks()
  local names = {}
  for i = 4, #ARGV do names[#names + 1] = ARGV[i] end
  local found = find(names)
  for i = 1, #names do
    local t = tasks[found[names[i]] or 0]
    reply[#reply + 1] = t and describe(t, call('HGET', key_x, t[MEMBER]) or '') or false
  end
end

function READ.ready()
  local limit, at, project = tonumber(ARGV[5]), 0, ARGV[6]
  local most, step = math_max(limit * 4, project and 2000 or 0), math_max(limit, project and 500 or 0)
  if call('HEXISTS', prefix .. 'ps', ARGV[4] .. '/') == 1 then return end
  while #reply <= limit and at < most do
    local list = call('ZRANGE', prefix .. 'r:' .. ARGV[4], at, at + step - 1)
    if #list == 0 then return end
    for _, n in ipairs(loaded(list)) do
      local t = tasks[n]
      if t and #reply <= limit and (not project or project_of(t) == project) and
        call('HEXISTS', prefix .. 'ps', '/' .. project_of(t)) == 0 and
        call('HEXISTS', prefix .. 'ps', type_of(t) .. '/' .. project_of(t)) == 0 and
        not key_is_taken(t) then
        reply[#reply + 1] = describe(t, '')
      end
    end
    at = at + step
  end
end

function READ.queues()
  for _, type in ipairs(known_types()) do
    local depth = call('ZCARD', prefix .. 'r:' .. type)
    if depth > 0 then
      local oldest = now
      for _, n in ipairs(loaded(call('ZRANGE', prefix .. 'r:' .. type, 0, 15))) do
        if tasks[n] then oldest = math_min(oldest, tasks[n][READY]) end
      end
      for _, n in ipairs(loaded(call('ZRANGE', prefix .. 'r:' .. type, -16, -1))) do
        if tasks[n] then oldest = math_min(oldest, tasks[n][READY]) end
      end
      reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = type, texts[depth], texts[oldest]
    end
  end
end

function READ.depths()
  for _, type in ipairs(known_types()) do
    local key = prefix .. 'r:' .. type
    local depth = call('ZCARD', key)
    if depth > 0 then
      local counts, above = {}, 0
      reply[#reply + 1] = type
      for hundred = 10, 1, -1 do
        local count = call('ZCOUNT', key, '-inf', texts[now - hundred * 100 * us_per_point])
        counts[hundred] = count - above
        above = count
      end
      reply[#reply + 1] = texts[depth - above]
      for hundred = 1, 10 do reply[#reply + 1] = texts[counts[hundred]] end
    end
  end
end

function READ.running()
  local from, count = tonumber(ARGV[4]), tonumber(ARGV[5])
  local list = call('ZRANGE', key_due, from, from + count - 1)
  local seen = {}
  for _, n in ipairs(due_members(list)) do
    local t = tasks[n]
    if t and t[STATUS] == 'r' and not seen[n] then reply[#reply + 1] = describe(t, '') end
    seen[n] = true
  end
  if #list == count then reply[#reply + 1] = '' end
end

function READ.place()
  local found = find({ ARGV[4] })
  local t = tasks[found[ARGV[4]] or 0]
  reply[2] = t and t[STATUS] == 'p' and call('ZRANK', prefix .. 'r:' .. type_of(t), t[MEMBER]) or false
end

function READ.key()
  reply[2], reply[3] = texts[key_running(ARGV[4])], texts[call('ZCARD', prefix .. 'kw:' .. ARGV[4])]
  local function look(first, last)
    for _, n in ipairs(due_members(call('ZRANGE', key_due, first, last))) do
      local t = tasks[n]
      if t and t[STATUS] == 'r' and has_key(t) and key_name(t) == ARGV[4] then reply[#reply + 1] = task_id_of(t) end
    end
  end
  look(0, LOOKED_AT - 1)
  local others = call('ZCARD', key_due) - LOOKED_AT
  if others > 0 then look(-math_min(others, LOOKED_AT), -1) end -- a lease that was just given ends last
end

function READ.edges()
  local found = find({ ARGV[4] })
  local n = found[ARGV[4]]
  if not n then return end
  add_edges_of(call('HGET', key_e, n) or '')
  reply[#reply + 1] = ''
  add_edges_of(call('GETRANGE', key_d .. n, 0, tonumber(ARGV[5]) * EDGE_BYTES - 1))
end

function READ.lags()
  local late = call('ZCOUNT', key_due, '-inf', texts[now - 1000000])
  local first = call('ZRANGE', key_due, 0, 0, 'WITHSCORES')
  local overdue = first[2] and math_max(0, now - tonumber(first[2])) or 0
  local info = call('INFO', 'memory')
  local memory, most = string_match(info, 'used_memory:(%d+)') or '0', string_match(info, 'maxmemory:(%d+)') or '0'
  if most == '0' then most = string_match(info, 'total_system_memory:(%d+)') or '0' end
  for _, value in ipairs({ last_seq, mark_seq, trim_seq, late, overdue, call('LLEN', prefix .. 'rel') }) do
    reply[#reply + 1] = texts[value]
  end
  reply[#reply + 1], reply[#reply + 2] = memory, most
end

function READ.pauses()
  for _, name in ipairs(call('HKEYS', prefix .. 'ps')) do reply[#reply + 1] = name end
end

verb('read', function()
  reply = { '' }
  READ[ARGV[3]]()
  reply[1] = commit()
  return reply
end)
