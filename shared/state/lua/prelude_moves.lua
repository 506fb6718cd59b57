-- The moves, after prelude_data.lua: events, ready queues, ends. What is decided is written by prelude_write.lua.

-- By the bits of WAITS.
local WAIT_LETTERS = { [0] = '', 'd', 't', 'dt', 'a', 'da', 'ta', 'dta', 'k', 'dk', 'tk', 'dtk', 'ak', 'dak', 'tak', 'dtak' }

-- One event: the task's state after it, and a tail that depends on the event:
--   a task's first   its specification            completed   "=" task_id US result
--   any other        the letter of the status before, then, when there is something to tell: reason US code US message US because
--   about no task    reason US code US message US because US extra
-- Its number is its place in the entry, its time the entry's. packed.c makes the log's records of that.
local function record(t, tail)
  last_seq = last_seq + 1
  t[SEQ] = last_seq
  t[VERSION] = t[VERSION] + 1
  local state = encode(t)
  t[PACKED] = state
  local n = event_words + 2
  event_words = n
  events[n - 1] = state
  events[n] = tail
  event_bytes = event_bytes + #state + #tail + EVENT_MORE
end

-- How many more events the entry has room for.
local function events_left()
  return math_floor((ENTRY_BYTES - event_bytes) / EVENT_MOST)
end

local function told_text(told)
  return (told.reason or '') .. US .. (told.code or '') .. US .. (told.message or '') .. US .. (told.because or '')
end

-- A state with nothing in it yet. group_bytes: how much of fixed is "project US type".
local function blank(member, status, fixed, group_bytes)
  return { false, false, member, status, 0, 0, 0, 0, 0, 0, group_bytes, 0, 0, 0, 0, 0, 0, 0, 0, 0, fixed, '', '', '', false }
end

local NO_TASK = member_of(0)

-- An event that is about no task: a refusal, a pause, a large graph.
local function record_other(status, project, task_id, type, batch, told, extra)
  local fixed = table_concat({ project, type, task_id, batch, '' }, US) .. RS .. RS
  local t = blank(NO_TASK, status, fixed, #project + 1 + #type)
  t[VERSION] = -1
  record(t, told_text(told or {}) .. US .. (extra or ''))
end

-- The only place where a status changes. Writes the event; the caller has set the fields that go with it, and changes none
-- of them afterwards without touch(). extra: the specification (first event) or "=" task_id US result (completed), else nil.
local function move(t, status, told, extra)
  local previous = t[STATUS]
  if not MOVES[previous][status] then
    error('move ' .. previous .. ' to ' .. status .. ' of ' .. name_of(t))
  end
  if previous ~= status then
    local counts = group_of(t).counts
    if previous ~= '' then counts[previous] = (counts[previous] or 0) - 1 end
    counts[status] = (counts[status] or 0) + 1
    t[STATUS] = status
  end
  touch(t)
  record(t, extra or (told and previous .. told_text(told)) or previous)
end

local function leave_group(t)
  if t[FLAGS] % 16 >= FLAG_GROUPED then t[FLAGS] = t[FLAGS] - FLAG_GROUPED end
end

local function schedule(t, at)
  leave_group(t)
  t[DUE] = at
  put(zadd, key_due, texts[at], t[MEMBER])
end

local function unschedule(t)
  if t[DUE] == 0 then return end
  t[DUE] = 0
  if t[FLAGS] % 16 >= FLAG_GROUPED then return leave_group(t) end -- the group's entry goes when its time comes
  put(zrem, key_due, t[MEMBER])
end

-- ---------------------------------------------------------------------------------------------- ready, keys, ranks

-- Lower is sooner: the static form of the score (priority*100 + hours since ready + …), so that it never needs renewal.
local function rank(t)
  local points, degree, retries = t[PRIORITY] * 100, t[DEGREE], t[RETRIES]
  local order = t[SPECIAL] ~= 0 and constants_of(t).order
  if order then
    points = points + order / 100
  elseif degree < 10 then
    points = points + 10 - degree
  end
  if retries < 5 then points = points + 5 - retries end
  return t[READY] - points * us_per_point -- guard: rank
end

local function has_key(t)
  return t[SPECIAL] ~= 0 and constants_of(t).key ~= ''
end

local function key_name(t)
  return project_of(t) .. '/' .. constants_of(t).key
end

local function key_running(name)
  if not held[name] then held[name] = tonumber(call('HGET', prefix .. 'k', name) or 0) end
  return held[name]
end

local function key_change(name, by)
  held[name] = key_running(name) + by
end

local function key_is_taken(t)
  return has_key(t) and key_running(key_name(t)) >= constants_of(t).limit -- guard: key-limit
end

local function enter_ready(t)
  local group = group_of(t)
  put(zadd, group.ready, texts[rank(t)], t[MEMBER])
  woken[group.type] = true
end

-- Puts a task that waits for nothing but its turn (and perhaps its key) where it belongs, with its event.
local function make_ready(t, told, extra)
  unschedule(t)
  if t[SPECIAL] ~= 0 and key_is_taken(t) then
    t[WAITS] = WAIT_KEY
    move(t, 'b', told, extra)
    put(zadd, prefix .. 'kw:' .. key_name(t), texts[rank(t)], t[MEMBER])
    return
  end
  t[WAITS] = 0
  move(t, 'p', told, extra)
  enter_ready(t)
end

local function key_free(t)
  local name = has_key(t) and key_name(t)
  if name then promoted[name] = (promoted[name] or 0) + 1 end
end

-- The first members of a queue, at most so many, which leave it. ZPOPMIN would write every rank out as a text.
local function take_first(key, most)
  if most == 1 then return { call('ZPOPMIN', key)[1] } end
  local members = call('ZRANGE', key, 0, most - 1)
  if #members > 0 then call('ZREMRANGEBYRANK', key, 0, #members - 1) end
  return members
end

-- The id of the call whose leases an entry of `due` stands for; nil when it stands for one task.
local function group_entry(entry)
  return #entry > 6 and string_match(entry, '^=(.*)$') or nil
end

-- The tasks of entries of `due`, and how many entries these are: none is begun once there are `most` tasks (nil: all). Some
-- may have been settled or renewed meanwhile: their own DUE says so.
local function due_members(entries, most)
  local members, taken = {}, 0
  for i = 1, #entries do
    if most and #members >= most then break end
    taken = i
    local id = group_entry(entries[i])
    if id then
      local bytes = call('HGET', key_lg, id) or ''
      for at = 1, #bytes, 6 do members[#members + 1] = string_sub(bytes, at, at + 5) end
    else
      members[#members + 1] = entries[i]
    end
  end
  load(members)
  return members, taken
end

-- One waiter a freed place: it competes by rank with those that are ready already. Whose own limit says no (tasks of one key may
-- name several) is passed over: the place is for who comes after him. What this call has changed is written first.
local PASSED_OVER = 32 -- looked at beyond the places
local function promote_waiters()
  for name, places in pairs(promoted) do
    local key = prefix .. 'kw:' .. name
    if zrem[key] then call_many('ZREM', key, zrem[key]) end
    if zadd[key] then call_many('ZADD', key, zadd[key]) end
    zrem[key], zadd[key] = nil, nil
    local waiters, running, left = call('ZRANGE', key, 0, places + PASSED_OVER - 1), key_running(name), places
    load(waiters)
    for i = 1, #waiters do
      local t = tasks[waiters[i]]
      if not (t and t[STATUS] == 'b' and t[WAITS] == WAIT_KEY) then
        put(zrem, key, waiters[i])
      elseif left > 0 and running + places - left < constants_of(t).limit then
        left = left - 1
        put(zrem, key, waiters[i])
        t[WAITS] = 0
        move(t, 'p', { reason = 'key free' })
        enter_ready(t)
      end
    end
  end
  promoted = {}
end

-- Takes a task out of every queue it may stand in, before it ends or changes its place.
local function leave_queues(t)
  unschedule(t)
  local status = t[STATUS]
  if status == 'p' then
    put(zrem, group_of(t).ready, t[MEMBER])
    if t[FLAGS] % 8 >= FLAG_PARKED then
      t[FLAGS] = t[FLAGS] - FLAG_PARKED
      put(zrem, prefix .. 'pk:' .. project_of(t), t[MEMBER])
    end
    if t[SPECIAL] ~= 0 then key_free(t) end
  elseif status == 'b' and t[WAITS] == WAIT_KEY then
    put(zrem, prefix .. 'kw:' .. key_name(t), t[MEMBER])
  elseif status == 'r' and t[SPECIAL] ~= 0 and has_key(t) then
    key_change(key_name(t), -1)
    key_free(t)
  end
end

-- ---------------------------------------------------------------------------------------------- ends and dependents

local function finish(t, status, told, extra)
  leave_queues(t)
  t[WAITS] = 0
  t[STARTED] = now
  t[BECAUSE] = told and told.because or ''
  move(t, status, told, extra)
  finished[#finished + 1] = t[MEMBER]
  ended[#ended + 1] = { t, 0 }
end

-- One that goes on waiting for others is not taken apart: its count is changed where it stands.
local function counted_down(member, parent, condition)
  local bytes = states[member]
  if rawget(tasks, member) or not HOLDS[condition][parent[STATUS]] then return false end
  if string_sub(bytes, STATUS_AT, STATUS_AT) ~= 'b' or string_byte(bytes, WAITS_AT) % 2 < WAIT_DEPENDENCY then return false end
  local left = unpack_struct('>I3', bytes, LEFT_AT)
  if left < 2 then return false end
  states[member] = string_sub(bytes, 1, LEFT_AT - 1) .. pack('>I3', left - 1) .. string_sub(bytes, AFTER_LEFT_AT)
  recounted[member] = true
  return true
end

-- One dependent learns of one end.
local function tell(member, parent, condition)
  if glance(member) == nil then return end
  if counted_down(member, parent, condition) then return end -- guard: dependency-count
  local child = tasks[member]
  if child[STATUS] ~= 'b' or child[WAITS] % 2 < WAIT_DEPENDENCY then return end
  if not HOLDS[condition][parent[STATUS]] then
    if child[POLICY] == 1 then return end -- block: it waits until somebody retries the dependency, or cancels
    if child[POLICY] == 0 then
      local id = task_id_of(parent)
      finish(child, 's', { because = id, reason = 'dependency ' .. id .. ' ended' })
      return
    end
  end
  child[LEFT] = child[LEFT] - 1
  touch(child)
  if child[LEFT] > 0 then return end
  child[WAITS] = child[WAITS] - WAIT_DEPENDENCY
  if child[WAITS] ~= 0 then
    move(child, 'b', { reason = 'dependencies met' })
  else
    child[READY] = now
    make_ready(child)
  end
end

-- Reads the dependents of everything that has ended, up to the budget; what does not fit goes to `rel`.
local tell_dependents
do
  local LISTS_AT_ONCE = 64 -- each may be long, and the budget used up by the first

  -- The dependents of some of `ended` from that place on, of those whose end is news, by place; false: it has none. Returns the
  -- last place that was looked at.
  local function ask_dependents(lists, first)
    local last, keys, places, n = math_min(first + LISTS_AT_ONCE - 1, #ended), {}, {}, 0
    for i = first, last do
      local t = ended[i][1]
      if ended[i][2] == 0 and t[FLAGS] % 4 < FLAG_RELEASING then
        n = n + 1
        keys[n], places[n] = key_d .. t[MEMBER], i
      end
    end
    if n > 0 then
      local values = call('MGET', unpack(keys))
      for i = 1, n do lists[places[i]] = values[i] end
    end
    return last
  end

  local function set_releasing(t, is_on)
    t[FLAGS] = t[FLAGS] - t[FLAGS] % 4 + t[FLAGS] % 2 + (is_on and FLAG_RELEASING or 0)
    touch(t)
  end

  -- There was no room for any of them, from this offset on.
  local function tell_later(t, offset, bytes)
    if not bytes and call('EXISTS', key_d .. t[MEMBER]) == 0 then return end
    set_releasing(t, true)
    told_later[#told_later + 1] = t[MEMBER] .. texts[offset]
    more = true
  end

  -- As many of them as there is room for, and how many these are. bytes: all, if they are known; nil: they are not.
  local function take_dependents(t, offset, bytes, room)
    local most = room * EDGE_BYTES
    if not bytes then
      bytes = call('GETRANGE', key_d .. t[MEMBER], offset, offset + most - 1)
    elseif #bytes > most then
      bytes = string_sub(bytes, 1, most)
    end
    local list, count = edges(bytes)
    if count == room then
      ended[#ended + 1] = { t, offset + #bytes }
    elseif t[FLAGS] % 4 >= FLAG_RELEASING then
      set_releasing(t, false)
    end
    return list, count
  end

  function tell_dependents()
    local at = 1
    while at <= #ended do
      local batch, members, stop, lists, asked = {}, {}, #ended, {}, at - 1
      local most = math_min(EDGE_BUDGET, released + events_left())
      for i = at, stop do
        if i > asked and released < most then asked = ask_dependents(lists, i) end
        local t, offset, bytes, room = ended[i][1], ended[i][2], lists[i], most - released
        if room <= 0 and bytes ~= false then
          tell_later(t, offset, bytes)
        elseif bytes ~= false then
          local list, count = take_dependents(t, offset, bytes, room)
          released = released + count
          if count > 0 then
            batch[#batch + 1] = { t, list, count }
            add_ends(members, list, count)
          end
        end
      end
      load(members)
      for i = 1, #batch do
        local parent, list = batch[i][1], batch[i][2]
        for j = 1, 2 * batch[i][3], 2 do tell(list[j], parent, list[j + 1]) end
      end
      at = stop + 1
    end
    ended = {}
  end
end

-- A try is over without success: again after the backoff, or for good. code: task_error, timeout or worker_lost.
local function end_try(t, retryable, code, message)
  if t[FLAGS] % 2 == FLAG_CANCEL then
    t[FLAGS] = t[FLAGS] - FLAG_CANCEL
    return finish(t, 'x', { reason = 'cancelled while it ran' })
  end
  put(hset, prefix .. 'er', t[MEMBER], code .. US .. message)
  local constants, told = constants_of(t), { reason = code == 'timeout' and code or nil, code = code, message = message }
  if not retryable or t[RETRIES] >= constants.max_retries then return finish(t, 'f', told) end
  local initial, factor, most = string_match(constants.backoff, '^([^,]*),([^,]*),([^,]*)$')
  local delay = math_min(tonumber(most or 60000), tonumber(initial or 1000) * tonumber(factor or 2) ^ t[RETRIES])
  local jitter = 0.5 + ((number_of(t[MEMBER]) * 7919 + now) % 1000) / 2000 -- half to all of the delay
  leave_queues(t)
  t[RETRIES] = t[RETRIES] + 1
  if delay <= 0 then
    t[READY] = now
    return make_ready(t, told)
  end
  schedule(t, math.floor(now + delay * 1000 * jitter))
  move(t, 't', told)
end
