-- Admits submissions, each whole or not at all.
--
-- ARGV[3..]  a submission each: project, batch_id, mode, token, looked, record count, ghost count, the records, the ghosts
--   mode    admit; check (says what would be, changes nothing); reserve (a slice of a large graph: takes its ids); place
--           (the slice's tasks, after the graph was decided: takes ids that another has reserved since, and is refused only
--           when a slice before it is missing); unreserve
--   looked  the evictedby US that "lookup" named, and the last seq that the database had when it was asked ("": not yet)
--   record  project/task_id, what is decided by (RECORD), fixed (prelude_data.lua), specification (record.h), and the
--           project/task_id of each dependency; dependencies stand before their dependents
--   ghost   an ended task the database still knows: number US task_id US task_type US batch_id US status US version US hash
--           US created_us US ended_us US seq US attempt US result
-- Returns    head, and a verdict for each submission:
--   "ok" GS items (a letter a record: a accepted, d duplicate; then its status letter) joined by RS
--   "lookup" US evictedby GS task_ids         ask the database for these, and call again with `looked` and the ghosts
--   code US message US path GS task_ids       refused; nothing of it was written
-- Cost: O(records + edges), O(log n) a task that is ready.

local function refuse(code, message, list)
  return code .. US .. message .. US .. GS .. table_concat(list, RS)
end

-- ------------------------------------------------------------------------------- cycles through earlier submissions

-- What depends on what, as far as this call adds it: name -> record, and member -> names it now waits for.
local function new_edges(s)
  local by_name, waits_on = {}, {}
  for _, r in ipairs(s.records) do
    by_name[ARGV[r]] = r
    local waiting = awaited[ARGV[r]] or {}
    for i = 1, #waiting, 2 do put(waits_on, waiting[i], ARGV[r]) end
  end
  return by_name, waits_on
end

-- What these new tasks depend on, and what that depends on, down to what has completed: name -> names. Level by level, each task
-- once for the whole submission. nil: that is more than one call may look at.
local function graph_behind(s, starts)
  local by_name, waits_on = new_edges(s)
  local behind, level, visited = {}, starts, 0
  for i = 1, #starts do behind[starts[i]] = {} end
  while #level > 0 do
    local next_level, members, from = {}, {}, {}
    local function reach(origin, name)
      put(behind, origin, name)
      if behind[name] then return end
      behind[name] = {}
      next_level[#next_level + 1] = name
    end
    for _, name in ipairs(level) do
      local r = by_name[name]
      if r then
        for i = 1, needs[r] do reach(name, need_name(r, i)) end
      elseif is_member(ids[name]) then
        members[#members + 1] = ids[name]
        from[#from + 1] = name
      end
    end
    local lists = get_many(key_e, members)
    for i = 1, #members do
      local parents = {}
      for _, other in ipairs(waits_on[members[i]] or {}) do reach(from[i], other) end
      add_ends(parents, edges(new_parents[members[i]] or lists[i] or ''))
      load(parents)
      for _, member in ipairs(parents) do
        local t = tasks[member]
        if t and t[STATUS] ~= 'c' then -- whatever else has ended may be tried again
          ids[name_of(t)] = member
          reach(from[i], name_of(t))
        end
      end
    end
    visited = visited + #level
    if visited > MOST_VISITED then return nil end
    level = next_level
  end
  return behind
end

-- The task_ids of a loop in such a graph, the first again at its end; nil: there is none. Depth first, with the path in hand.
local function loop_in(behind, starts)
  local place = {} -- on the path; 0: all behind it was looked at
  for _, start in ipairs(starts) do
    local path, at = {}, {}
    local function step_to(name)
      path[#path + 1] = name
      at[#path], place[name] = 0, #path
    end
    if not place[start] then step_to(start) end
    while #path > 0 do
      local top = #path
      at[top] = at[top] + 1
      local name = behind[path[top]][at[top]]
      if not name then
        place[path[top]], path[top] = 0, nil
      elseif not place[name] then
        step_to(name)
      elseif place[name] > 0 then
        local loop = {}
        for i = place[name], top do loop[#loop + 1] = id_of(path[i]) end
        loop[#loop + 1] = id_of(name)
        return loop
      end
    end
  end
end

-- A new task that nobody waits for closes none.
local function check_cycles(s)
  if next(awaited) == nil then return end
  local starts = {}
  for _, r in ipairs(s.records) do
    if awaited[ARGV[r]] and needs[r] > 0 then starts[#starts + 1] = ARGV[r] end
  end
  if #starts == 0 then return end
  local behind = graph_behind(s, starts)
  if not behind then
    local id = id_of(starts[1])
    return refuse('limit_exceeded', 'the graph behind ' .. id .. ' is too large to check for a cycle', { id })
  end
  local loop = loop_in(behind, starts)
  if loop then return refuse('cycle', 'the tasks depend on each other', loop) end
end

-- ------------------------------------------------------------------------------- the verdict

local function hash_given(r)
  return (string_match(ARGV[r + AT_FIXED], '\30([^\30]*)$'))
end

-- Must the database be asked, or asked again: more has left since, or it has fallen back?
local function must_look(s)
  if evicted == 0 then return false end
  local by, to = string_match(s.looked, '^([^\31]*)\31(%d+)$')
  return by ~= left_by or tonumber(to) < left_to
end

-- nil when the submission can be admitted; else the verdict.
local function judge(s)
  local own, lookup, unknown, conflicts, busy = {}, {}, {}, {}, {}
  local asks, reserved, ghosts = must_look(s), '@' .. s.token, s.ghosts
  for _, r in ipairs(s.records) do
    local name = ARGV[r]
    local known, ghost = ids[name], ghosts[name] -- guard: submit-idempotent
    if is_member(known) then
      known_as[r] = known
      if s.mode ~= 'place' and hash_of(tasks[known]) ~= hash_given(r) then conflicts[#conflicts + 1] = id_of(name) end
    elseif known and known ~= reserved and s.mode ~= 'place' then
      busy[#busy + 1] = id_of(name)
    elseif ghost then
      known_as[r] = ghost.member
      if ghost.hash ~= hash_given(r) then conflicts[#conflicts + 1] = id_of(name) end
    elseif asks and (s.mode == 'place' or not is_fresh(r)) then -- a slice may be placed once more, when its tasks have left
      lookup[#lookup + 1] = id_of(name)
    end
    own[name] = true
    if not known_as[r] then
      for i = 1, needs[r] do
        local need = need_name(r, i)
        local found = ids[need]
        if not (own[need] or is_member(found) or found == reserved or ghosts[need]) then
          if asks then
            lookup[#lookup + 1] = id_of(need)
          else
            local _, future = need_letter(r, i)
            if not future then unknown[#unknown + 1] = id_of(need) end
          end
        end
      end
    end
  end
  if #lookup > 0 then return 'lookup' .. US .. left_by .. GS .. table_concat(lookup, RS) end
  if #conflicts > 0 then return refuse('conflict', 'a task of this id exists with another body', conflicts) end
  if #busy > 0 then return refuse('unavailable', 'a graph with these ids is being admitted: repeat later', busy) end
  if #unknown > 0 then return refuse('unknown_dependency', 'no such task in the project', unknown) end
  if s.mode == 'place' then return nil end -- decided: a loop that came about meanwhile is a matter of its tasks alone
  return check_cycles(s)
end

-- ------------------------------------------------------------------------------- the writing

-- A task that ended long ago comes back, so that dependents and repeats find it.
local function revive(s, ghost)
  local group, member = s.project .. US .. ghost.type, ghost.member
  local fixed = table_concat({ group, ghost.task_id, ghost.batch, '' }, US) .. RS .. RS .. ghost.hash
  local t = blank(member, ghost.status, fixed, #group)
  t[PRIORITY], t[VERSION], t[ATTEMPT], t[CREATED], t[STARTED], t[SEQ] =
    1, ghost.version, ghost.attempt, ghost.created, ghost.ended, ghost.seq
  local name = s.project .. '/' .. ghost.task_id
  tasks[member] = t
  ids[name] = member
  touch(t)
  local n, result = #new_ids, ghost.status == 'c' and '=' .. ghost.task_id .. US .. ghost.result or ''
  new_ids[n + 1], new_ids[n + 2], payloads[n + 1], payloads[n + 2] = name, member, member, result
  finished[#finished + 1] = member
end

-- A dependency that is still to come.
local function await_need(t, name, condition)
  local waiting = awaited[name] or {}
  waiting[#waiting + 1] = t[MEMBER]
  waiting[#waiting + 1] = condition
  awaited[name] = waiting
  put(coming, name, t[MEMBER] .. condition)
end

-- Links a new task to its dependencies. Returns what became impossible: the task_id of the first such dependency.
local function link(t, r)
  local list, because, left, edge_to = {}, nil, 0, {}
  for i = 1, needs[r] do
    local name, condition = need_name(r, i), need_letter(r, i)
    local member = ids[name]
    if is_member(member) then
      local status, flags = glance(member)
      local is_open = not FINAL[status] or flags % 4 >= FLAG_RELEASING
      local edge = edge_to[condition] or t[MEMBER] .. condition
      edge_to[condition] = edge
      list[#list + 1] = member
      list[#list + 1] = condition
      put(is_open and append or append_untold, key_d .. member, edge)
      if is_open then
        left = left + 1
      elseif not HOLDS[condition][status] and t[POLICY] ~= 2 then
        left = left + 1
        if t[POLICY] == 0 then because = because or id_of(name) end
      end
    else
      left = left + 1
      await_need(t, name, condition)
    end
  end
  t[LEFT] = left
  new_parents[t[MEMBER]] = table_concat(list)
  return because
end

-- Those who waited for this task to come now depend on it as on any other; some may have ended, and left, meanwhile.
local function adopt(t, name)
  local waiting = awaited[name]
  if not waiting then return end
  awaited[name], coming[name] = nil, nil
  call('HDEL', prefix .. 'fw', name)
  for i = 1, #waiting, 2 do
    local child, condition = waiting[i], waiting[i + 1]
    local edge = t[MEMBER] .. condition
    if glance(child) then put(append, key_d .. t[MEMBER], child .. condition) end
    if new_parents[child] then
      new_parents[child] = new_parents[child] .. edge
    elseif glance(child) then
      call('HSET', key_e, child, (call('HGET', key_e, child) or '') .. edge)
    end
  end
end

local function create(r)
  local member, name, extra = member_of(last_seq + 1), ARGV[r], ARGV[r + AT_SPECIFICATION]
  local priority, policy, is_held, _, special, group_bytes, not_before, degree = unpack_struct(RECORD, ARGV[r + AT_RECORD])
  local t = { false, false, member, '', priority, 0, 0, policy, 0, special, group_bytes, degree, 0, 0, 0, now, 0, 0, 0, 0,
    ARGV[r + AT_FIXED], '', '', '', false }
  tasks[member] = t
  ids[name] = member
  local n = #new_ids
  new_ids[n + 1], new_ids[n + 2], payloads[n + 1], payloads[n + 2] = name, member, member, extra
  local because
  if degree > 0 then because = link(t, r) end
  adopt(t, name)
  if because then
    finish(t, 's', { because = because }, extra)
    return t[STATUS]
  end
  local waits = (t[LEFT] > 0 and WAIT_DEPENDENCY or 0) + (is_held == 1 and WAIT_APPROVAL or 0)
  if not_before > now then
    waits = waits + WAIT_TIME
    schedule(t, not_before)
  end
  t[WAITS], t[READY] = waits, waits == 0 and now or 0
  if waits ~= 0 then move(t, 'b', nil, extra) else make_ready(t, nil, extra) end
  return t[STATUS]
end

local function status_if_created(s, r, planned)
  local _, policy, is_held, _, _, _, not_before = unpack_struct(RECORD, ARGV[r + AT_RECORD])
  for i = 1, needs[r] do
    local name, condition = need_name(r, i), need_letter(r, i)
    local parent, ghost = is_member(ids[name]) and tasks[ids[name]], s.ghosts[name]
    local status = parent and parent[STATUS] or ghost and ghost.status
    if planned[name] or not FINAL[status] then return 'b' end
    if not HOLDS[condition][status] and policy ~= 2 then return policy == 1 and 'b' or 's' end
  end
  return (is_held == 1 or not_before > now) and 'b' or 'p'
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
    local known = known_as[r]
    if known then
      items[i] = 'd' .. (tasks[known] and tasks[known][STATUS] or s.ghosts[ARGV[r]].status)
    elseif writes then
      items[i] = 'a' .. create(r)
    else
      if s.mode == 'reserve' then
        ids[ARGV[r]] = '@' .. s.token
        put(hset, key_id, ARGV[r], '@' .. s.token)
      end
      items[i] = 'a' .. status_if_created(s, r, planned)
      planned[ARGV[r]] = true
    end
  end
  return 'ok' .. US .. US .. GS .. table_concat(items, RS)
end

local function unreserve(s)
  for _, r in ipairs(s.records) do
    if ids[ARGV[r]] == '@' .. s.token then call('HDEL', key_id, ARGV[r]) end
  end
  return 'ok' .. US .. US .. GS
end

verb('admit', function()
  needs, known_as, ids, awaited, new_parents = {}, {}, {}, {}, {}
  if evicted > 0 then
    local left = call('HMGET', key_m, 'evictedby', 'evictedto')
    left_by, left_to = left[1], tonumber(left[2] or 0)
  end
  local submissions, verdicts = parse_submissions(), {}
  look(submissions)
  for i, s in ipairs(submissions) do
    verdicts[i] = s.mode == 'unreserve' and unreserve(s) or judge(s) or accept(s)
  end
  for member, bytes in pairs(new_parents) do
    if bytes ~= '' then put(hset, key_e, member, bytes) end
  end
  return { commit(), unpack(verdicts) }
end)
