-- Admits submissions, each whole or not at all.
--
-- ARGV[3..]  a submission each: project, batch_id, mode, token, looked, record count, ghost count, the records, the ghosts
--   mode    admit; check (says what would be, changes nothing); reserve (a slice of a large graph: takes its ids); place
--           (the slice's tasks, after the graph was decided: cannot fail); unreserve
--   looked  how many tasks had left Redis when the database was asked for what is not here ("" : not asked yet)
--   record  task_id US task_type US priority US specification (record.h); dependencies stand before their dependents
--   ghost   an ended task the database still knows: number US task_id US task_type US batch_id US status US version US hash
--           US created_us US ended_us US seq US attempt US result
-- Returns    head, and a verdict for each submission:
--   "ok" GS items (a letter a record: a accepted, d duplicate; then its status letter) joined by RS
--   "lookup" US evicted GS task_ids           ask the database for these, and call again with `looked` and the ghosts
--   code US message US path GS task_ids       refused; nothing of it was written
-- Cost: O(records + edges), O(log n) a task that is ready.

local GS = '\29'
local RECORD = '^([^\31]*)\31([^\31]*)\31([^\31]*)\31()([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31' ..
  '([^\31]*)\31([^\31]*)\31[^\31]*\31[^\31]*\31([^\31]*)\31([^\31]*)\31'
local MOST_VISITED = 20000 -- tasks looked at for one cycle through earlier submissions

local ids = {}     -- name -> number, "@token", or nil; what the id hash says, and what this call adds
local hashes = {}  -- number -> hash of its specification
local awaited = {} -- name -> the edges of tasks that wait for it to come

local function parse_record(text, project)
  local task_id, type, priority, at, flags, max_retries, timeout, not_before, backoff, key, limit, hash, trace, dependencies =
    string.match(text, RECORD)
  local r = { task_id = task_id, name = project .. '/' .. task_id, type = type, priority = tonumber(priority),
    specification = string.sub(text, at), flags = flags, max_retries = tonumber(max_retries),
    timeout = tonumber(timeout) or 0, not_before = tonumber(not_before) or 0, backoff = backoff, key = key,
    limit = tonumber(limit) or 1, hash = hash, trace = trace, needs = {} }
  for letter, id in string.gmatch(dependencies, '(%a)([^,]+)') do
    r.needs[#r.needs + 1] = { name = project .. '/' .. id, task_id = id, condition = string.lower(letter),
      future = letter < 'a' }
  end
  return r
end

local function parse_ghost(text)
  local f = {}
  for field in string.gmatch(text .. US, '([^\31]*)\31') do f[#f + 1] = field end
  return { number = tonumber(f[1]), task_id = f[2], type = f[3], batch = f[4], status = f[5], version = tonumber(f[6]),
    hash = f[7], created = tonumber(f[8]), ended = tonumber(f[9]), seq = tonumber(f[10]), attempt = tonumber(f[11]),
    result = table.concat(f, US, 12) }
end

local function parse_submissions()
  local list, at = {}, 3
  while at <= #ARGV do
    local s = { project = ARGV[at], batch = ARGV[at + 1], mode = ARGV[at + 2], token = ARGV[at + 3],
      looked = tonumber(ARGV[at + 4]), records = {}, ghosts = {} }
    local record_count, ghost_count = tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
    at = at + 7
    for i = 0, record_count - 1 do s.records[i + 1] = parse_record(ARGV[at + i], s.project) end
    at = at + record_count
    for i = 0, ghost_count - 1 do
      local ghost = parse_ghost(ARGV[at + i])
      s.ghosts[s.project .. '/' .. ghost.task_id] = ghost
    end
    at = at + ghost_count
    list[#list + 1] = s
  end
  return list
end

-- Reads everything the verdicts need, each structure once.
local function look(submissions)
  local names, seen, new_names = {}, {}, {}
  local function want(name)
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  for _, s in ipairs(submissions) do
    for _, r in ipairs(s.records) do
      want(r.name)
      new_names[#new_names + 1] = r.name
      for _, need in ipairs(r.needs) do want(need.name) end
    end
  end
  local values, numbers = get_many(prefix .. 'id', names), {}
  for i = 1, #names do
    local value = values[i]
    if value then
      ids[names[i]] = tonumber(value) or value
      if tonumber(value) then numbers[#numbers + 1] = tonumber(value) end
    end
  end
  load(numbers)
  if call('EXISTS', prefix .. 'fw') == 1 then
    local bytes = get_many(prefix .. 'fw', new_names)
    for i = 1, #new_names do
      if bytes[i] then awaited[new_names[i]] = edges(bytes[i]) end
    end
  end
  local old = {}
  for i = 1, #new_names do
    if type(ids[new_names[i]]) == 'number' then old[#old + 1] = number_text(ids[new_names[i]]) end
  end
  local payloads = get_many(prefix .. 'x', old)
  for i = 1, #old do
    local bytes = payloads[i] or ''
    hashes[tonumber(old[i])] = string.match(bytes, '^=([^\31]*)\31') or
      string.match(bytes, '^[^\31]*\31[^\31]*\31[^\31]*\31[^\31]*\31[^\31]*\31[^\31]*\31[^\31]*\31([^\31]*)\31')
  end
end

local function refuse(code, message, list)
  return code .. US .. message .. US .. GS .. table.concat(list, RS)
end

-- ------------------------------------------------------------------------------- cycles through earlier submissions

-- Walks from a new task that others wait for, along "depends on", level by level; a walk that comes back is a loop.
local function find_cycle(s, start)
  local by_name, waits_on = {}, {}
  for _, r in ipairs(s.records) do
    by_name[r.name] = r
    for _, edge in ipairs(awaited[r.name] or {}) do
      waits_on[edge[1]] = waits_on[edge[1]] or {}
      table.insert(waits_on[edge[1]], r.name)
    end
  end
  local came_from, level, visited = { [start.name] = false }, { start.name }, 0
  while #level > 0 do
    local next_level, numbers = {}, {}
    local function reach(from, name)
      if name == start.name then
        came_from[start.name] = from
        return true
      end
      if came_from[name] == nil then
        came_from[name] = from
        next_level[#next_level + 1] = name
      end
    end
    for _, name in ipairs(level) do
      visited = visited + 1
      local r = by_name[name]
      if r then
        for _, need in ipairs(r.needs) do
          if reach(name, need.name) then return came_from end
        end
      elseif type(ids[name]) == 'number' then
        numbers[#numbers + 1] = { name, number_text(ids[name]) }
      end
    end
    local fields = {}
    for i = 1, #numbers do fields[i] = numbers[i][2] end
    local lists = get_many(prefix .. 'e', fields)
    for i = 1, #numbers do
      local name = numbers[i][1]
      for _, other in ipairs(waits_on[tonumber(numbers[i][2])] or {}) do
        if reach(name, other) then return came_from end
      end
      local parents = {}
      for _, edge in ipairs(edges(lists[i] or '')) do parents[#parents + 1] = edge[1] end
      load(parents)
      for _, n in ipairs(parents) do
        local t = tasks[n]
        if t and not FINAL[t.status] then
          ids[t.project .. '/' .. t.task_id] = n
          if reach(name, t.project .. '/' .. t.task_id) then return came_from end
        end
      end
    end
    if visited > MOST_VISITED then return nil, 'too deep' end
    level = next_level
  end
end

local function check_cycles(s)
  for _, r in ipairs(s.records) do
    if awaited[r.name] and #r.needs > 0 then
      local came_from, problem = find_cycle(s, r)
      if problem then return refuse('limit_exceeded', 'the graph behind ' .. r.task_id .. ' is too large to check for a cycle', { r.task_id }) end
      if came_from then
        local loop, at = { r.task_id }, came_from[r.name]
        while at and at ~= r.name do
          table.insert(loop, 1, (string.match(at, '/(.*)$')))
          at = came_from[at]
        end
        table.insert(loop, 1, r.task_id)
        return refuse('cycle', 'the tasks depend on each other', loop)
      end
    end
  end
end

-- ------------------------------------------------------------------------------- the verdict

local function judge_need(s, need, own, lookup, unknown)
  local known = ids[need.name]
  if own[need.name] or type(known) == 'number' or (known and known == '@' .. s.token) or s.ghosts[need.name] then return end
  if evicted > 0 and s.looked ~= evicted then
    lookup[#lookup + 1] = need.task_id
  elseif not need.future then
    unknown[#unknown + 1] = need.task_id
  end
end

-- nil when the submission can be admitted; else the verdict.
local function judge(s)
  local own, lookup, unknown, conflicts, busy = {}, {}, {}, {}, {}
  for _, r in ipairs(s.records) do
    local known = ids[r.name]
    if type(known) == 'number' then
      r.number = known
      if hashes[known] ~= r.hash and s.mode ~= 'place' then conflicts[#conflicts + 1] = r.task_id end
    elseif known and known ~= '@' .. s.token then
      busy[#busy + 1] = r.task_id
    elseif s.ghosts[r.name] then
      r.number = s.ghosts[r.name].number
      if s.ghosts[r.name].hash ~= r.hash then conflicts[#conflicts + 1] = r.task_id end
    elseif evicted > 0 and s.looked ~= evicted and not string.find(r.flags, 'g', 1, true) then
      lookup[#lookup + 1] = r.task_id
    end
    own[r.name] = true
    if not r.number then
      for _, need in ipairs(r.needs) do judge_need(s, need, own, lookup, unknown) end
    end
  end
  if #lookup > 0 then return 'lookup' .. US .. number_text(evicted) .. US .. GS .. table.concat(lookup, RS) end
  if #conflicts > 0 then return refuse('conflict', 'a task of this id exists with another body', conflicts) end
  if #busy > 0 then return refuse('unavailable', 'a graph with these ids is being admitted: repeat later', busy) end
  if #unknown > 0 then return refuse('unknown_dependency', 'no such task in the project', unknown) end
  return check_cycles(s)
end

-- ------------------------------------------------------------------------------- the writing

local POLICY = { s = 0, b = 1, r = 2 }

-- A task that ended long ago comes back, so that dependents and repeats find it.
local function revive(s, ghost)
  local t = { number = ghost.number, status = ghost.status, priority = 1, flags = 0, waits = 0, retries = 0,
    max_retries = 0, degree = 0, left = 0, version = ghost.version, attempt = ghost.attempt, limit = 1,
    created = ghost.created, ready = 0, due = 0, started = ghost.ended, timeout = 0, seq = ghost.seq, policy = 0, hold = 0,
    project = s.project, task_id = ghost.task_id, type = ghost.type, batch = ghost.batch, key = '', backoff = '',
    worker = '', lease = '', because = '', trace = '' }
  tasks[t.number] = t
  touch(t)
  local name = s.project .. '/' .. ghost.task_id
  ids[name] = t.number
  put(hset, prefix .. 'id', name, number_text(t.number))
  put(hset, prefix .. 'x', number_text(t.number), '=' .. ghost.hash .. US .. ghost.result)
  put(pushed, prefix .. 'fin', member(t.number))
end

-- Links a new task to its dependencies. Returns what became impossible: the task_id of the first such dependency.
local function link(t, r)
  local list, because = {}, nil
  for _, need in ipairs(r.needs) do
    local n = ids[need.name]
    if type(n) == 'number' then
      local edge = pack(EDGE, t.number, string.byte(need.condition))
      list[#list + 1] = pack(EDGE, n, string.byte(need.condition))
      local parent = tasks[n]
      local is_open = not FINAL[parent.status] or parent.flags % 4 >= FLAG_RELEASING
      put(is_open and append or append_untold, prefix .. 'd:' .. number_text(n), edge)
      if is_open then
        t.left = t.left + 1
      elseif not HOLDS[need.condition][parent.status] and t.policy ~= 2 then
        t.left = t.left + 1
        if t.policy == 0 then because = because or need.task_id end
      end
    else
      t.left = t.left + 1
      local waiting = awaited[need.name] or {}
      waiting[#waiting + 1] = { t.number, need.condition }
      awaited[need.name] = waiting
      local old = call('HGET', prefix .. 'fw', need.name) or ''
      call('HSET', prefix .. 'fw', need.name, old .. pack(EDGE, t.number, string.byte(need.condition)))
    end
  end
  if #list > 0 then put(hset, prefix .. 'e', number_text(t.number), table.concat(list)) end
  return because
end

-- Those who waited for this task to come now depend on it as on any other.
local function adopt(t, name)
  local waiting = awaited[name]
  if not waiting then return end
  awaited[name] = nil
  call('HDEL', prefix .. 'fw', name)
  for _, edge in ipairs(waiting) do
    put(append, prefix .. 'd:' .. number_text(t.number), pack(EDGE, edge[1], string.byte(edge[2])))
    local field = number_text(edge[1])
    local old = call('HGET', prefix .. 'e', field) or ''
    call('HSET', prefix .. 'e', field, old .. pack(EDGE, t.number, string.byte(edge[2])))
  end
end

local function create(s, r)
  local t = { number = last_seq + 1, status = '', priority = r.priority, flags = 0, waits = 0, retries = 0,
    max_retries = r.max_retries, degree = #r.needs, left = 0, version = 0, attempt = 0, limit = r.limit, created = now,
    ready = 0, due = 0, started = 0, timeout = r.timeout, seq = 0, hold = 0, project = s.project,
    task_id = r.task_id, type = r.type, batch = s.batch, key = r.key, backoff = r.backoff, worker = '', lease = '',
    because = '', trace = r.trace, policy = POLICY[string.match(r.flags, '[sbr]') or 's'] }
  tasks[t.number] = t
  ids[r.name] = t.number
  hashes[t.number] = r.hash
  put(hset, prefix .. 'id', r.name, number_text(t.number))
  put(hset, prefix .. 'x', number_text(t.number), r.specification)
  local because = link(t, r)
  adopt(t, r.name)
  local what = { extra = r.specification }
  if because then
    what.because = because
    return finish(t, 's', what)
  end
  if t.left > 0 then t.waits = t.waits + WAIT_DEPENDENCY end
  if string.find(r.flags, 'h', 1, true) then t.waits = t.waits + WAIT_APPROVAL end
  if r.not_before > now then
    t.waits = t.waits + WAIT_TIME
    schedule(t, r.not_before)
  end
  if t.waits ~= 0 then return move(t, 'b', what) end
  t.ready = now
  make_ready(t, what)
end

local function status_if_created(s, r, planned)
  for _, need in ipairs(r.needs) do
    local parent = tasks[type(ids[need.name]) == 'number' and ids[need.name] or 0]
    if planned[need.name] or not parent or not FINAL[parent.status] then return 'b' end
    if not HOLDS[need.condition][parent.status] and not string.find(r.flags, 'r', 1, true) then
      return string.find(r.flags, 'b', 1, true) and 'b' or 's'
    end
  end
  return (string.find(r.flags, 'h', 1, true) or r.not_before > now) and 'b' or 'p'
end

local function accept(s)
  local items, planned = {}, {}
  local writes = s.mode == 'admit' or s.mode == 'place'
  if writes then
    for name, ghost in pairs(s.ghosts) do
      if not ids[name] then revive(s, ghost) end
    end
  end
  if s.mode == 'reserve' then put(hset, prefix .. 'rs', s.token, s.project .. US .. s.batch .. US .. now_text) end
  for _, r in ipairs(s.records) do
    local ghost = s.ghosts[r.name]
    if r.number then
      items[#items + 1] = 'd' .. (tasks[r.number] and tasks[r.number].status or ghost.status)
    elseif writes then
      create(s, r)
      items[#items + 1] = 'a' .. tasks[ids[r.name]].status
    else
      if s.mode == 'reserve' then
        ids[r.name] = '@' .. s.token
        put(hset, prefix .. 'id', r.name, '@' .. s.token)
      end
      items[#items + 1] = 'a' .. status_if_created(s, r, planned)
      planned[r.name] = true
    end
  end
  return 'ok' .. US .. US .. GS .. table.concat(items, RS)
end

local function unreserve(s)
  for _, r in ipairs(s.records) do
    if ids[r.name] == '@' .. s.token then call('HDEL', prefix .. 'id', r.name) end
  end
  return 'ok' .. US .. US .. GS
end

local submissions, verdicts = parse_submissions(), {}
look(submissions)
for i, s in ipairs(submissions) do
  if s.mode == 'unreserve' then
    verdicts[i] = unreserve(s)
  else
    verdicts[i] = judge(s) or accept(s)
  end
end
return { commit(), unpack(verdicts) }
