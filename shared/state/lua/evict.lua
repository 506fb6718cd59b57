-- Lets ended tasks leave Redis: those that ended long enough ago, whose last event is in the database, and whose
-- dependents have all ended (they may still need its result).
--
-- ARGV[3]  how long an ended task stays, microseconds     ARGV[4]  when so many were looked at, that is enough
-- Returns  head, how many left, whether it is worth calling again at once (0, 1)
-- Cost: O(1) a task and a dependent.

local ITEMS_AT_ONCE = 16 -- of `fin`: one may be of a single task, or of many
local MOST_DEPENDENTS = 2000 -- looked at for one task; one with more stays until the next time

local function dependents_ended(member)
  local bytes = call('GETRANGE', key_d .. member, 0, MOST_DEPENDENTS * EDGE_BYTES - 1)
  if #bytes == 0 then return true end
  if #bytes == MOST_DEPENDENTS * EDGE_BYTES then return false end
  local children = {}
  add_ends(children, edges(bytes))
  load(children)
  for _, child in ipairs(children) do
    local status = glance(child)
    if status and not FINAL[status] then return false end
  end
  return true
end

-- The members of an item of `fin`.
local function split(item)
  local members = {}
  for at = 1, #item, 6 do members[#members + 1] = string_sub(item, at, at + 5) end
  return members
end

local function may_leave(t, keep_us)
  return t[STARTED] + keep_us <= now and t[SEQ] <= trim_seq and t[FLAGS] % 4 < FLAG_RELEASING and
    dependents_ended(t[MEMBER])
end

local function is_young(t, keep_us)
  return t and FINAL[t[STATUS]] and t[STARTED] + keep_us > now
end

-- Some items of `fin` from this place on, each as a list of members, whose tasks are loaded.
local function page(from)
  local items, all = call('LRANGE', key_fin, from, from + ITEMS_AT_ONCE - 1), {}
  for i = 1, #items do
    items[i] = split(items[i])
    for k = 1, #items[i] do all[#all + 1] = items[i][k] end
  end
  load(all)
  return items
end

verb('evict', function()
  local keep_us, most = tonumber(ARGV[3]), tonumber(ARGV[4])
  local places, looked, done, kept, gone, gone_to, fields, names = 0, 0, false, {}, 0, 0, {}, {}
  local function look_at(t)
    if not t or not FINAL[t[STATUS]] then return end
    if not may_leave(t, keep_us) then
      kept[#kept + 1] = t[MEMBER]
      return
    end
    gone = gone + 1
    gone_to = math_max(gone_to, t[SEQ])
    fields[gone] = t[MEMBER]
    names[gone] = name_of(t)
    tasks[t[MEMBER]] = false
    call('DEL', key_d .. t[MEMBER])
  end
  while not done do
    local items = page(places)
    for i = 1, #items do
      done = looked >= most or is_young(tasks[items[i][1]], keep_us)
      if done then break end
      for k = 1, #items[i] do look_at(tasks[items[i][k]]) end
      places, looked = places + 1, looked + #items[i]
    end
    done = done or #items < ITEMS_AT_ONCE
  end
  if places > 0 then call('LTRIM', key_fin, places, -1) end
  finished = kept
  call_many('HDEL', key_t, fields)
  call_many('HDEL', key_x, fields)
  call_many('HDEL', key_e, fields)
  call_many('HDEL', prefix .. 'er', fields)
  call_many('HDEL', key_id, names)
  if gone > 0 then
    gone_to = math_max(gone_to, tonumber(call('HGET', key_m, 'evictedto') or 0))
    call('HINCRBY', key_m, 'evicted', gone)
    call('HSET', key_m, 'evictedto', texts[gone_to], 'evictedby', entry_id)
  end
  return { commit(), tostring(gone), (looked >= most and gone > 0) and '1' or '0' }
end)
