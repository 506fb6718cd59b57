-- Proves, a slice at a time, that no task can be stuck: each that is not final has a live cause to move on.
--
-- ARGV[3]  cursor ("0" to begin)     ARGV[4]  about so many tasks
-- Returns  head, next cursor ("0": the round is over), how many were looked at, then project/task_id US what is missing for
--          each violation
-- Cost: O(log n) a task, O(1) a dependency.

local function has(key, n)
  return call('ZSCORE', key, n) and true
end

-- A dependency is a live cause while it has not ended, or while its end is still being told, or for policy "block".
local function waits_for_dependency(t)
  if t[POLICY] == 1 then return true end
  local list, count = edges(call('HGET', key_e, t[MEMBER]) or '')
  if count < t[DEGREE] then return true end -- the others are still to come (future)
  local parents = {}
  add_ends(parents, list, count)
  load(parents)
  for i = 1, #parents do
    local parent = tasks[parents[i]]
    if parent and (not FINAL[parent[STATUS]] or parent[FLAGS] % 4 >= FLAG_RELEASING) then return true end
  end
  return false
end

local function missing(t)
  local n = t[MEMBER]
  if t[STATUS] == 'p' then
    return not (has(prefix .. 'r:' .. type_of(t), n) or has(prefix .. 'pk:' .. project_of(t), n)) and 'a ready entry'
  elseif t[STATUS] == 'r' and t[FLAGS] % 16 >= FLAG_GROUPED then
    local group = string_match(t[LEASE], '^(.*)%-')
    local bytes = call('ZSCORE', key_due, '=' .. group) and call('HGET', key_lg, group) or ''
    return not string_find(bytes, n, 1, true) and 'a time'
  elseif t[STATUS] == 'r' or t[STATUS] == 't' then
    return not has(key_due, n) and 'a time'
  elseif t[STATUS] == 'b' then
    if t[WAITS] == 0 then return 'anything it waits for' end
    if t[WAITS] % 2 >= WAIT_DEPENDENCY and not waits_for_dependency(t) then return 'a dependency that has not ended' end
    if t[WAITS] % 4 >= WAIT_TIME and not has(key_due, n) then return 'a time' end
    if t[WAITS] == WAIT_KEY and not has(prefix .. 'kw:' .. key_name(t), n) then return 'a place in the queue of its key' end
  end
end

verb('audit', function()
  local page = call('HSCAN', key_t, ARGV[3], 'COUNT', ARGV[4])
  local reply, looked, list = { '', page[1], '0' }, 0, page[2]
  for i = 1, #list, 2 do
    local t = tasks[list[i]] or decode(list[i + 1])
    looked = looked + 1
    local what = missing(t)
    if what then reply[#reply + 1] = name_of(t) .. US .. what end
  end
  reply[1], reply[3] = commit(), tostring(looked)
  return reply
end)
