-- Lets ended tasks leave Redis: those that ended long enough ago, whose last event is in the database, and whose
-- dependents have all ended (they may still need its result).
--
-- ARGV[3]  how long an ended task stays, microseconds     ARGV[4]  when so many tasks and dependents were looked at, that is enough
-- Returns  head, how many left, whether it is worth calling again at once (0, 1)
-- Cost: O(1) a task and a dependent.

local ITEMS_AT_ONCE = 4 -- of `fin`: one may be of a single task, or of FIN_MEMBERS
local DEGREE_AT = 15 -- in a packed state
local DEGREE_TO_SEQ = '>HI3I3I3I7I7I7I7I6' -- that part of FORMAT
local MOST_DEPENDENTS = 2000 -- looked at for one task; one with more stays until the next time

-- When it ended, its last seq, status, flags, how many dependencies it had, how many tries; nil: it has not
-- ended, or is not here.
local function ended_at(member)
  local bytes = states[member]
  local status = bytes and string_sub(bytes, STATUS_AT, STATUS_AT)
  if not FINAL[status] then return nil end
  local degree, _, _, attempts, _, _, _, at, seq = unpack_struct(DEGREE_TO_SEQ, bytes, DEGREE_AT)
  return at, seq, status, string_byte(bytes, FLAGS_AT), degree, attempts
end

local function name_at(member)
  local project, task_id = string_match(states[member], '^([^\31]*)\31[^\31]*\31([^\31]*)', FIXED_AT)
  return project .. '/' .. task_id
end

-- Where the dependents of these members would stand; empty when none of them has any: one question for all, since many graphs are
-- just tasks.
local function parents_of(members)
  local keys, parents = {}, {}
  for i = 1, #members do keys[i] = key_d .. members[i] end
  if #keys == 0 or call('EXISTS', unpack(keys)) == 0 then return parents end
  for i = 1, #keys do parents[members[i]] = keys[i] end
  return parents
end

-- And how many were looked at for that: one that has not ended is the last.
local function dependents_ended(key)
  for first = 0, MOST_DEPENDENTS - 1, EDGES_AT_ONCE do
    local bytes = call('GETRANGE', key, first * EDGE_BYTES, (first + EDGES_AT_ONCE) * EDGE_BYTES - 1)
    local children, list, count = {}, edges(bytes)
    add_ends(children, list, count)
    load(children)
    for i = 1, count do
      local status = glance(children[i])
      if status and not FINAL[status] then return false, first + count end
    end
    if count < EDGES_AT_ONCE then return true, first + count end
  end
  return false, MOST_DEPENDENTS
end

-- The members of some items of `fin` from this place on, item by item; the states of all are loaded.
local function page(from)
  local items, all = call('LRANGE', key_fin, from, from + ITEMS_AT_ONCE - 1), {}
  for i = 1, #items do
    local item, members = items[i], {}
    for at = 1, #item, 6 do
      local member = string_sub(item, at, at + 5)
      members[#members + 1] = member
      all[#all + 1] = member
    end
    items[i] = members
  end
  load(all)
  return items, parents_of(all)
end

verb('evict', function()
  local till, most = now - tonumber(ARGV[3]), tonumber(ARGV[4])
  local places, looked, done, gone, gone_to = 0, 0, false, 0, 0
  local fields, names, dependents, keys, tried = {}, {}, {}, {}, {}
  local function look_at(member, parent)
    local at, seq, status, flags, degree, attempts = ended_at(member)
    if not at then return end
    local stays = at > till or seq > trim_seq or flags % 4 >= FLAG_RELEASING
    if parent and not stays then
      local all, count = dependents_ended(parent)
      stays, looked = not all, looked + count
    end
    if stays then
      finished[#finished + 1] = member -- the next time
      return
    end
    gone = gone + 1
    gone_to = math_max(gone_to, seq)
    fields[gone], names[gone] = member, name_at(member)
    keys[#keys + 1] = parent
    if degree > 0 then dependents[#dependents + 1] = member end
    if attempts > 1 or status ~= 'c' then tried[#tried + 1] = member end
    states[member] = false
  end
  while not done do
    local items, parents = page(places)
    for i = 1, #items do
      local first = ended_at(items[i][1])
      done = looked >= most or (first and first > till)
      if done then break end
      for _, member in ipairs(items[i]) do look_at(member, parents[member]) end
      places, looked = places + 1, looked + #items[i]
    end
    done = done or #items < ITEMS_AT_ONCE
  end
  if places > 0 then call('LTRIM', key_fin, places, -1) end
  call_many('HDEL', key_t, fields)
  call_many('HDEL', key_x, fields)
  call_many('HDEL', key_e, dependents)
  call_many('HDEL', prefix .. 'er', tried)
  call_many('HDEL', key_id, names)
  if #keys > 0 then call('DEL', unpack(keys)) end
  if gone > 0 then
    gone_to = math_max(gone_to, tonumber(call('HGET', key_m, 'evictedto') or 0))
    call('HINCRBY', key_m, 'evicted', gone)
    call('HSET', key_m, 'evictedto', texts[gone_to], 'evictedby', entry_id)
  end
  return { commit(), tostring(gone), (looked >= most and gone > 0) and '1' or '0' }
end)
