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
--                                   run, as far as they are among the next LOOKED_AT that something is due for
--   edges   name limit              reply: per dependency task_id, status letter, condition; then "", then the same of dependents
--   lags                            reply: seq, mark, trim, due-and-late count, oldest lease overdue us, rel length, memory
--                                   bytes, and how many there may be (0: not known)
--   pauses                          reply: "task_type/project" each
-- Returns  head, then the reply's items

local LOOKED_AT = 1000

local what = ARGV[3]
local reply = { '' }

local function describe(t, bytes)
  return { number_text(t.number), t.project, t.task_id, t.type, t.batch, t.status, number_text(t.priority),
    number_text(t.attempt), number_text(t.retries), number_text(t.version), WAIT_LETTERS[t.waits], number_text(t.created),
    number_text(t.ready), number_text(t.due), number_text(t.started), number_text(t.degree), number_text(t.left), t.worker,
    t.lease, t.because, number_text(t.flags), t.key, number_text(t.limit), number_text(t.max_retries), bytes }
end

local function members_of(list, step)
  local numbers = {}
  for i = 1, #list, step do numbers[#numbers + 1] = (unpack_struct('>I6', list[i])) end
  load(numbers)
  return numbers
end

local function known_types()
  local types, list, counts = {}, {}, call('HKEYS', prefix .. 'c')
  for i = 1, #counts do
    local type = string.match(counts[i], '^[^/]*/([^/]*)/')
    if type and not types[type] then
      types[type] = true
      list[#list + 1] = type
    end
  end
  return list
end

local function ends_of(list)
  for _, edge in ipairs(list) do
    local t = tasks[edge[1]]
    if t then
      reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = t.task_id, t.status, edge[2]
    end
  end
end

local function load_edges(bytes)
  local list, numbers = edges(bytes), {}
  for i = 1, #list do numbers[i] = list[i][1] end
  load(numbers)
  return list
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
    reply[#reply + 1] = t and describe(t, call('HGET', prefix .. 'x', number_text(t.number)) or '') or false
  end
end

function READ.ready()
  local limit, at, project = tonumber(ARGV[5]), 0, ARGV[6]
  local most, step = math.max(limit * 4, project and 2000 or 0), math.max(limit, project and 500 or 0)
  if call('HEXISTS', prefix .. 'ps', ARGV[4] .. '/') == 1 then return end
  while #reply <= limit and at < most do
    local list = call('ZRANGE', prefix .. 'r:' .. ARGV[4], at, at + step - 1)
    if #list == 0 then return end
    for _, n in ipairs(members_of(list, 1)) do
      local t = tasks[n]
      if t and #reply <= limit and (not project or t.project == project) and
        call('HEXISTS', prefix .. 'ps', '/' .. t.project) == 0 and
        call('HEXISTS', prefix .. 'ps', t.type .. '/' .. t.project) == 0 and
        (t.key == '' or key_running(key_name(t)) < t.limit) then
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
      for _, n in ipairs(members_of(call('ZRANGE', prefix .. 'r:' .. type, 0, 15), 1)) do
        if tasks[n] then oldest = math.min(oldest, tasks[n].ready) end
      end
      for _, n in ipairs(members_of(call('ZRANGE', prefix .. 'r:' .. type, -16, -1), 1)) do
        if tasks[n] then oldest = math.min(oldest, tasks[n].ready) end
      end
      reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = type, number_text(depth), number_text(oldest)
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
        local count = call('ZCOUNT', key, '-inf', number_text(now - hundred * 100 * us_per_point))
        counts[hundred] = count - above
        above = count
      end
      reply[#reply + 1] = number_text(depth - above)
      for hundred = 1, 10 do reply[#reply + 1] = number_text(counts[hundred]) end
    end
  end
end

function READ.running()
  local from, count = tonumber(ARGV[4]), tonumber(ARGV[5])
  local list = call('ZRANGE', prefix .. 'due', from, from + count - 1)
  for _, n in ipairs(members_of(list, 1)) do
    local t = tasks[n]
    if t and t.status == 'r' then reply[#reply + 1] = describe(t, '') end
  end
  if #list == count then reply[#reply + 1] = '' end
end

function READ.place()
  local found = find({ ARGV[4] })
  local t = tasks[found[ARGV[4]] or 0]
  reply[2] = t and t.status == 'p' and call('ZRANK', prefix .. 'r:' .. t.type, member(t.number)) or false
end

function READ.key()
  reply[2], reply[3] = number_text(key_running(ARGV[4])), number_text(call('ZCARD', prefix .. 'kw:' .. ARGV[4]))
  for _, n in ipairs(members_of(call('ZRANGE', prefix .. 'due', 0, LOOKED_AT - 1), 1)) do
    local t = tasks[n]
    if t and t.status == 'r' and t.key ~= '' and key_name(t) == ARGV[4] then reply[#reply + 1] = t.task_id end
  end
end

function READ.edges()
  local found = find({ ARGV[4] })
  local n = found[ARGV[4]]
  if not n then return end
  ends_of(load_edges(call('HGET', prefix .. 'e', number_text(n)) or ''))
  reply[#reply + 1] = ''
  ends_of(load_edges(call('GETRANGE', prefix .. 'd:' .. number_text(n), 0, tonumber(ARGV[5]) * EDGE_BYTES - 1)))
end

function READ.lags()
  local late = call('ZCOUNT', prefix .. 'due', '-inf', number_text(now - 1000000))
  local first = call('ZRANGE', prefix .. 'due', 0, 0, 'WITHSCORES')
  local overdue = first[2] and math.max(0, now - tonumber(first[2])) or 0
  local info = call('INFO', 'memory')
  local memory, most = string.match(info, 'used_memory:(%d+)') or '0', string.match(info, 'maxmemory:(%d+)') or '0'
  if most == '0' then most = string.match(info, 'total_system_memory:(%d+)') or '0' end
  for _, value in ipairs({ last_seq, mark_seq, trim_seq, late, overdue, call('LLEN', prefix .. 'rel') }) do
    reply[#reply + 1] = number_text(value)
  end
  reply[#reply + 1], reply[#reply + 2] = memory, most
end

function READ.pauses()
  for _, name in ipairs(call('HKEYS', prefix .. 'ps')) do reply[#reply + 1] = name end
end

READ[what]()
reply[1] = commit()
return reply
