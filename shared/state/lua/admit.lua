-- Admits submissions, each whole or not at all.
--
-- ARGV[3..]  a submission each: project, batch_id, mode, token, looked, record count, ghost count, two for each record, the
--            ghosts
--   mode    admit; check (says what would be, changes nothing); reserve (a slice of a large graph: takes its ids); place
--           (the slice's tasks, after the graph was decided: cannot fail); unreserve
--   looked  how many tasks had left Redis when the database was asked for what is not here ("" : not asked yet)
--   record  RECORD (below), then the specification (record.h); dependencies stand before their dependents
--   ghost   an ended task the database still knows: number US task_id US task_type US batch_id US status US version US hash
--           US created_us US ended_us US seq US attempt US result
-- Returns    head, and a verdict for each submission:
--   "ok" GS items (a letter a record: a accepted, d duplicate; then its status letter) joined by RS
--   "lookup" US evicted GS task_ids           ask the database for these, and call again with `looked` and the ghosts
--   code US message US path GS task_ids       refused; nothing of it was written
-- Cost: O(records + edges), O(log n) a task that is ready.

local GS = '\29'

-- A record's fixed part, made by the caller (services/scheduler/admit_record.c): priority, policy (0 skip, 1 block, 2 run),
-- held (0, 1), fresh (1: its id was generated for this submission), not_before_us, group bytes, then texts that end with
-- a NUL: identity, constants, hash (as a task has them in prelude.lua), dependencies: "condition project/task_id" joined by
-- ',' without the space; a condition in upper case may come later.
local RECORD = '>BBBBI7Bssss'
local PRIORITY_GIVEN, POLICY_GIVEN, HELD, FRESH, NOT_BEFORE, GROUP_GIVEN, IDENTITY_GIVEN, CONSTANTS_GIVEN, HASH_GIVEN = 1, 2, 3, 4, 5, 6, 7, 8, 9
local NEEDS, NAME, SPECIFICATION, KNOWN = 10, 11, 12, 13 -- NEEDS: a list of { name, condition, future }; KNOWN: its number
local MOST_VISITED = 20000 -- tasks looked at for one cycle through earlier submissions

local ids = {}     -- name -> number, "@token", or nil; what the id hash says, and what this call adds
local awaited = {} -- name -> the edges of tasks that wait for it to come: flat, as edges() makes them
local new_parents = {} -- number of a new task -> its edges, written at the end: one that comes later in the call adds to them
local NOTHING = {}

local function id_of(name)
  return (string.match(name, '/(.*)$'))
end

local function parse_needs(text)
  if text == '' then return NOTHING end
  local needs = {}
  for letter, name in string.gmatch(text, '(%a)([^,]+)') do
    needs[#needs + 1] = { name, string.lower(letter), letter < 'a' }
  end
  return needs
end

local function parse_record(bytes, specification, project)
  local r = { unpack_struct(RECORD, bytes) }
  r[NEEDS] = parse_needs(r[NEEDS])
  r[NAME] = project .. '/' .. string.match(r[IDENTITY_GIVEN], '^([^\31]*)', r[GROUP_GIVEN] + 2)
  r[SPECIFICATION] = specification
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
    for i = 1, record_count do
      s.records[i] = parse_record(ARGV[at], ARGV[at + 1], s.project)
      at = at + 2
    end
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
  local names, new_names, seen, n = {}, {}, {}, 0
  local function want(name)
    if not seen[name] then
      seen[name] = true
      n = n + 1
      names[n] = name
    end
  end
  for _, s in ipairs(submissions) do
    for _, r in ipairs(s.records) do
      want(r[NAME])
      new_names[#new_names + 1] = r[NAME]
      for _, need in ipairs(r[NEEDS]) do want(need[1]) end
    end
  end
  local values, numbers = get_many(prefix .. 'id', names), {}
  for i = 1, n do
    local value = values[i]
    if value then
      local number = tonumber(value)
      ids[names[i]] = number or value
      if number then
        texts[number] = value
        numbers[#numbers + 1] = number
      end
    end
  end
  load(numbers)
  if call('EXISTS', prefix .. 'fw') == 1 then
    local bytes = get_many(prefix .. 'fw', new_names)
    for i = 1, #new_names do
      if bytes[i] then awaited[new_names[i]] = edges(bytes[i]) end
    end
  end
end

local function refuse(code, message, list)
  return code .. US .. message .. US .. GS .. table.concat(list, RS)
end

-- ------------------------------------------------------------------------------- cycles through earlier submissions

-- What depends on what, as far as this call adds it: name -> record, and number -> names it now waits for.
local function new_edges(s)
  local by_name, waits_on = {}, {}
  for _, r in ipairs(s.records) do
    by_name[r[NAME]] = r
    local waiting = awaited[r[NAME]] or NOTHING
    for i = 1, #waiting, 2 do put(waits_on, waiting[i], r[NAME]) end
  end
  return by_name, waits_on
end

-- Walks from a new task that others wait for, along "depends on", level by level; a walk that comes back is a loop.
local function find_cycle(s, start)
  local by_name, waits_on = new_edges(s)
  local came_from, level, visited = { [start[NAME]] = false }, { start[NAME] }, 0
  while #level > 0 do
    local next_level, numbers = {}, {}
    local function reach(from, name)
      if name == start[NAME] then
        came_from[name] = from
        return true
      end
      if came_from[name] == nil then
        came_from[name] = from
        next_level[#next_level + 1] = name
      end
    end
    for _, name in ipairs(level) do
      visited = visited + 1
      if by_name[name] then
        for _, need in ipairs(by_name[name][NEEDS]) do
          if reach(name, need[1]) then return came_from end
        end
      elseif type(ids[name]) == 'number' then
        numbers[#numbers + 1] = { name, texts[ids[name]] }
      end
    end
    local fields = {}
    for i = 1, #numbers do fields[i] = numbers[i][2] end
    local lists = get_many(prefix .. 'e', fields)
    for i = 1, #numbers do
      local name, parents = numbers[i][1], {}
      for _, other in ipairs(waits_on[tonumber(numbers[i][2])] or NOTHING) do
        if reach(name, other) then return came_from end
      end
      add_ends(parents, edges(lists[i] or ''))
      load(parents)
      for _, n in ipairs(parents) do
        local t = tasks[n]
        if t and not FINAL[t[STATUS]] then
          ids[name_of(t)] = n
          if reach(name, name_of(t)) then return came_from end
        end
      end
    end
    if visited > MOST_VISITED then return nil, 'too deep' end
    level = next_level
  end
end

local function check_cycles(s)
  for _, r in ipairs(s.records) do
    local name = r[NAME]
    if awaited[name] and #r[NEEDS] > 0 then
      local came_from, problem = find_cycle(s, r)
      local id = id_of(name)
      if problem then return refuse('limit_exceeded', 'the graph behind ' .. id .. ' is too large to check for a cycle', { id }) end
      if came_from then
        local loop, at = { id }, came_from[name]
        while at and at ~= name do
          table.insert(loop, 1, id_of(at))
          at = came_from[at]
        end
        table.insert(loop, 1, id)
        return refuse('cycle', 'the tasks depend on each other', loop)
      end
    end
  end
end

-- ------------------------------------------------------------------------------- the verdict

local function judge_need(s, name, future, own, lookup, unknown)
  local known = ids[name]
  if own[name] or type(known) == 'number' or (known and known == '@' .. s.token) or s.ghosts[name] then return end
  if evicted > 0 and s.looked ~= evicted then
    lookup[#lookup + 1] = id_of(name)
  elseif not future then
    unknown[#unknown + 1] = id_of(name)
  end
end

-- nil when the submission can be admitted; else the verdict.
local function judge(s)
  local own, lookup, unknown, conflicts, busy = {}, {}, {}, {}, {}
  local asks = evicted > 0 and s.looked ~= evicted
  for _, r in ipairs(s.records) do
    local name = r[NAME]
    local known, ghost = ids[name], s.ghosts[name] -- guard: submit-idempotent
    if type(known) == 'number' then
      r[KNOWN] = known
      if tasks[known][HASH] ~= r[HASH_GIVEN] and s.mode ~= 'place' then conflicts[#conflicts + 1] = id_of(name) end
    elseif known and known ~= '@' .. s.token then
      busy[#busy + 1] = id_of(name)
    elseif ghost then
      r[KNOWN] = ghost.number
      if ghost.hash ~= r[HASH_GIVEN] then conflicts[#conflicts + 1] = id_of(name) end
    elseif asks and r[FRESH] == 0 then
      lookup[#lookup + 1] = id_of(name)
    end
    own[name] = true
    if not r[KNOWN] then
      for _, need in ipairs(r[NEEDS]) do judge_need(s, need[1], need[3], own, lookup, unknown) end
    end
  end
  if #lookup > 0 then return 'lookup' .. US .. texts[evicted] .. US .. GS .. table.concat(lookup, RS) end
  if #conflicts > 0 then return refuse('conflict', 'a task of this id exists with another body', conflicts) end
  if #busy > 0 then return refuse('unavailable', 'a graph with these ids is being admitted: repeat later', busy) end
  if #unknown > 0 then return refuse('unknown_dependency', 'no such task in the project', unknown) end
  return check_cycles(s)
end

-- ------------------------------------------------------------------------------- the writing

-- A task that ended long ago comes back, so that dependents and repeats find it.
local function revive(s, ghost)
  local group = s.project .. US .. ghost.type
  local t = blank(ghost.number, ghost.status, table.concat({ group, ghost.task_id, ghost.batch, '' }, US), #group)
  t[PRIORITY], t[VERSION], t[ATTEMPT], t[CREATED], t[STARTED], t[SEQ], t[HASH] =
    1, ghost.version, ghost.attempt, ghost.created, ghost.ended, ghost.seq, ghost.hash
  local name, number = s.project .. '/' .. ghost.task_id, texts[ghost.number]
  tasks[ghost.number] = t
  ids[name] = ghost.number
  touch(t)
  put(hset, prefix .. 'id', name, number)
  put(hset, prefix .. 'x', number, '=' .. ghost.result)
  put(pushed, prefix .. 'fin', members[ghost.number])
end

-- A dependency that is still to come.
local function await_need(t, name, condition)
  local waiting = awaited[name] or {}
  waiting[#waiting + 1] = t[NUMBER]
  waiting[#waiting + 1] = condition
  awaited[name] = waiting
  call('HSET', prefix .. 'fw', name, (call('HGET', prefix .. 'fw', name) or '') .. pack(EDGE, t[NUMBER], condition))
end

-- Links a new task to its dependencies. Returns what became impossible: the task_id of the first such dependency.
local function link(t, r)
  local list, because, left = {}, nil, 0
  for _, need in ipairs(r[NEEDS]) do
    local name, condition = need[1], need[2]
    local n = ids[name]
    if type(n) == 'number' then
      local parent = tasks[n]
      local is_open = not FINAL[parent[STATUS]] or parent[FLAGS] % 4 >= FLAG_RELEASING
      list[#list + 1] = members[n] .. condition
      put(is_open and append or append_untold, prefix .. 'd:' .. texts[n], members[t[NUMBER]] .. condition)
      if is_open then
        left = left + 1
      elseif not HOLDS[condition][parent[STATUS]] and t[POLICY] ~= 2 then
        left = left + 1
        if t[POLICY] == 0 then because = because or id_of(name) end
      end
    else
      left = left + 1
      await_need(t, name, condition)
    end
  end
  t[LEFT] = left
  new_parents[t[NUMBER]] = table.concat(list)
  return because
end

-- Those who waited for this task to come now depend on it as on any other.
local function adopt(t, name)
  local waiting = awaited[name]
  if not waiting then return end
  awaited[name] = nil
  call('HDEL', prefix .. 'fw', name)
  for i = 1, #waiting, 2 do
    local condition, field = waiting[i + 1], texts[waiting[i]]
    put(append, prefix .. 'd:' .. texts[t[NUMBER]], members[waiting[i]] .. condition)
    local edge = members[t[NUMBER]] .. condition
    if new_parents[waiting[i]] then
      new_parents[waiting[i]] = new_parents[waiting[i]] .. edge
    else
      call('HSET', prefix .. 'e', field, (call('HGET', prefix .. 'e', field) or '') .. edge)
    end
  end
end

local function create(r)
  local number, name = last_seq + 1, r[NAME]
  local t = { number, false, '', r[PRIORITY_GIVEN], 0, 0, r[POLICY_GIVEN], 0, #r[NEEDS], 0, 0, 0, now, 0, 0, 0, 0,
    r[GROUP_GIVEN], r[IDENTITY_GIVEN], r[CONSTANTS_GIVEN], r[HASH_GIVEN], '', '', '', false }
  local extra = r[SPECIFICATION]
  tasks[number] = t
  ids[name] = number
  put(hset, prefix .. 'id', name, texts[number])
  put(hset, prefix .. 'x', texts[number], extra)
  local because
  if r[NEEDS] ~= NOTHING then because = link(t, r) end
  adopt(t, name)
  if because then
    finish(t, 's', { because = because }, extra)
    return t[STATUS]
  end
  local waits = (t[LEFT] > 0 and WAIT_DEPENDENCY or 0) + (r[HELD] == 1 and WAIT_APPROVAL or 0)
  if r[NOT_BEFORE] > now then
    waits = waits + WAIT_TIME
    schedule(t, r[NOT_BEFORE])
  end
  t[WAITS], t[READY] = waits, waits == 0 and now or 0
  if waits ~= 0 then move(t, 'b', nil, nil, extra) else make_ready(t, nil, extra) end
  return t[STATUS]
end

local function status_if_created(r, planned)
  for _, need in ipairs(r[NEEDS]) do
    local known = ids[need[1]]
    local parent = type(known) == 'number' and tasks[known]
    if planned[need[1]] or not parent or not FINAL[parent[STATUS]] then return 'b' end
    if not HOLDS[need[2]][parent[STATUS]] and r[POLICY_GIVEN] ~= 2 then return r[POLICY_GIVEN] == 1 and 'b' or 's' end
  end
  return (r[HELD] == 1 or r[NOT_BEFORE] > now) and 'b' or 'p'
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
  for i, r in ipairs(s.records) do
    local name, known = r[NAME], r[KNOWN]
    if known then
      items[i] = 'd' .. (tasks[known] and tasks[known][STATUS] or s.ghosts[name].status)
    elseif writes then
      items[i] = 'a' .. create(r)
    else
      if s.mode == 'reserve' then
        ids[name] = '@' .. s.token
        put(hset, prefix .. 'id', name, '@' .. s.token)
      end
      items[i] = 'a' .. status_if_created(r, planned)
      planned[name] = true
    end
  end
  return 'ok' .. US .. US .. GS .. table.concat(items, RS)
end

local function unreserve(s)
  for _, r in ipairs(s.records) do
    if ids[r[NAME]] == '@' .. s.token then call('HDEL', prefix .. 'id', r[NAME]) end
  end
  return 'ok' .. US .. US .. GS
end

local submissions, verdicts = parse_submissions(), {}
look(submissions)
for i, s in ipairs(submissions) do
  verdicts[i] = s.mode == 'unreserve' and unreserve(s) or judge(s) or accept(s)
end
for number, bytes in pairs(new_parents) do
  if bytes ~= '' then put(hset, prefix .. 'e', texts[number], bytes) end
end
return { commit(), unpack(verdicts) }
