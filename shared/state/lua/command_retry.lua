-- Trying again what has ended. Stands before command.lua, in the same block.
--
-- Ended tasks leave Redis, and an ended task that is here may have lost what it depended on. Whatever is not here is no reason to
-- run: "left" US evictedby asks the caller to read it from the database and to call again (command_ended.lua).

local CASCADE_BYTES = 900000 -- of events: so much one cascade takes along; see ENTRY_BYTES
local STATE_BYTES = 80 -- of a packed state, beside what never changes

local heads -- member -> its specification up to the dependencies, from flags on (record.h); false: it has none
local HEAD = '^' .. string.rep('[^\31]*\31', 12)

-- Read once a call, because a context, which stands behind it, may be large.
local function head_of(member)
  local bytes = call('HGET', key_x, member)
  return bytes and string_byte(bytes) ~= RESULT and string_match(bytes, HEAD) or false
end

local left_by, left_to -- whoever has been here and is not here now has left by this seq, and in this call or before

local function begin_retries()
  heads = made_by(head_of)
  local its = evicted > 0 and call('HMGET', key_m, 'evictedby', 'evictedto') or {}
  left_by, left_to = its[1] or '', tonumber(its[2] or 0)
end

-- Has the caller looked into a database that had all who have left?
local function is_sure(by, to)
  return evicted == 0 or (by == left_by and tonumber(to or 0) >= left_to)
end

local function has_left() return 'left' .. US .. left_by end

local function wrong(t, message)
  return 'wrong_status' .. US .. message
end

local STATUS_WORD = { b = 'blocked', p = 'pending', r = 'running', t = 'retry', c = 'completed', f = 'failed',
  x = 'cancelled', s = 'skipped' }

local function load_edges(bytes)
  local list, count = edges(bytes or '')
  local members = {}
  add_ends(members, list, count)
  load(members)
  return list, count
end

local function parents_of(t) return load_edges(call('HGET', key_e, t[MEMBER])) end
local function children_of(t) return load_edges(call('GET', key_d .. t[MEMBER])) end

-- As its specification names them: condition letter and id, parted by commas; '' for one that has no specification.
local function dependencies_of(t)
  return string_match(heads[t[MEMBER]] or '', '([^\31]*)\31$') or ''
end

-- The dependencies of an ended task that may come later and have not: name and edge of each.
local function still_to_come(t)
  local list = {}
  for letter, id in string_gmatch(dependencies_of(t), '(%u)([^,]+)') do
    local name = project_of(t) .. '/' .. id
    local known = call('HGET', key_id, name)
    if not known or string_byte(known) == RESERVED then
      list[#list + 1] = { name, t[MEMBER] .. string_lower(letter) }
    end
  end
  return list
end

-- One that came back because others depend on it, with its end and without what it was (revive() in admit.lua).
local function is_remnant(t)
  return not heads[t[MEMBER]]
end

-- Is everything here that decides whether, and with what, it runs again?
local function is_whole(t)
  if is_remnant(t) then return false end -- guard: retry-whole
  local list, count = parents_of(t)
  for i = 1, #list, 2 do
    if not tasks[list[i]] then return false end
  end
  return count == t[DEGREE] or count + #still_to_come(t) == t[DEGREE]
end

local function has_edge(bytes, edge)
  local at = string_find(bytes, edge, 1, true)
  while at and at % EDGE_BYTES ~= 1 do at = string_find(bytes, edge, at + 1, true) end
  return at ~= nil
end

-- Its dependencies know it again: one that left and came back has forgotten who depends on it.
local function be_known(t)
  local list = parents_of(t)
  for i = 1, #list, 2 do
    local key, edge = key_d .. list[i], t[MEMBER] .. list[i + 1]
    if not has_edge(call('GET', key) or '', edge) then call('APPEND', key, edge) end
  end
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
    if child and child[STATUS] == 's' and child[BECAUSE] == task_id_of(t) and not again[list[i]] and is_whole(child) then
      again[list[i]] = true
      queue[#queue + 1] = child
    end
  end
end

-- What a new task would wait for: its dependencies, its time, and an approval when it was skipped before it ever ran. One that
-- somebody cancelled or rejected is approved by whoever retries it.
local function waits_again(t)
  local flags, not_before = string_match(heads[t[MEMBER]] or '', '^([^\31]*)\31[^\31]*\31[^\31]*\31(%d*)\31')
  local waits, at = t[LEFT] > 0 and WAIT_DEPENDENCY or 0, tonumber(not_before or '') or 0
  if t[STATUS] == 's' and t[ATTEMPT] == 0 and string_find(flags or '', 'h', 1, true) then waits = waits + WAIT_APPROVAL end
  return at > now and waits + WAIT_TIME or waits, at
end

local function restart(t, reason)
  local waits, not_before = waits_again(t)
  t[FLAGS], t[RETRIES], t[BECAUSE], t[LEASE], t[WORKER] = 0, 0, '', '', ''
  t[WAITS], t[READY] = waits, waits == 0 and now or 0
  if waits == 0 then return make_ready(t, { reason = reason }) end
  if not_before > now then schedule(t, not_before) end
  move(t, 'b', { reason = reason })
end

local function event_cost(t, reason) return #t[FIXED] + #reason + STATE_BYTES + EVENT_MORE end

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

-- Is the end of this one, or of what it depends on, still being told? Whoever is told of it would count it twice.
local function is_being_told(t)
  if t[FLAGS] % 4 >= FLAG_RELEASING then return true end
  local list = parents_of(t)
  for i = 1, #list, 2 do
    local parent = tasks[list[i]]
    if parent and parent[FLAGS] % 4 >= FLAG_RELEASING then return true end
  end
  return false
end

-- by, to: what the caller has looked into; see is_sure(). "later": this call has no room for it, the next one has.
local function retry(t, cascade, by, to, said)
  if not FINAL[t[STATUS]] or t[STATUS] == 'c' then return wrong(t, 'it is ' .. STATUS_WORD[t[STATUS]] .. ': only failed, cancelled and skipped tasks are retried') end
  local whole = is_whole(t)
  if not is_sure(by, to) and (cascade or not whole) then return has_left() end
  if not whole then return wrong(t, 'it is ' .. STATUS_WORD[t[STATUS]] .. ', and some of what it depended on is nowhere any more: submit it under a new id') end
  local queue, again, at = { t }, { [t[MEMBER]] = true }, 1
  local reason, bytes = said ~= '' and said or 'retried with ' .. task_id_of(t), 0
  while at <= #queue do
    if is_being_told(queue[at]) then return 'unavailable' .. US .. 'dependents are still being told of an end: repeat later' end
    bytes = bytes + event_cost(queue[at], reason)
    if bytes > CASCADE_BYTES then return 'limit_exceeded' .. US .. 'too many tasks would go along: retry them in parts' end
    if event_bytes > 0 and event_bytes + bytes > CASCADE_BYTES then return 'later' end
    if cascade then gather_skipped(queue[at], queue, again) end
    at = at + 1
  end
  local _, impossible = count_unmet(t, again)
  if impossible then return wrong(t, 'its dependency ' .. impossible .. ' has ended: retry that one, with cascade') end
  queue = drop_impossible(t, queue, again)
  for _, each in ipairs(queue) do
    if evicted > 0 then be_known(each) end
    take_back(each, again)
    each[LEFT] = count_unmet(each, again)
    if each[LEFT] > 0 then await_again(each) end
  end
  for _, each in ipairs(queue) do restart(each, each == t and said == '' and 'retried' or reason) end
  return t[STATUS]
end
