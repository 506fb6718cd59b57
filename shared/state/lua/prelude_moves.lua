-- The moves, after prelude_data.lua: events, ready queues, ends, and the writing of it all.

-- By the bits of WAITS.
local WAIT_LETTERS = { [0] = '', 'd', 't', 'dt', 'a', 'da', 'ta', 'dta', 'k', 'dk', 'tk', 'dtk', 'ak', 'dak', 'tak', 'dtak' }
local UNTOLD = US .. US .. US .. US

-- One event: the fields of record.h in their order. told: reason, code, message, because (each optional), or nil.
local function record(t, previous, told, lease_until, extra)
  last_seq = last_seq + 1
  t[SEQ] = last_seq
  t[VERSION] = t[VERSION] + 1
  local ready, due, ending = t[READY], t[DUE], UNTOLD
  if told then
    ending = (told.reason or '') .. US .. (told.code or '') .. US .. (told.message or '') .. US .. (told.because or '') .. US
  end
  local n = event_words + 2
  event_words = n
  events[n - 1] = texts[last_seq] .. US .. t[STATUS] .. US .. texts[t[NUMBER]] .. US .. t[IDENTITY] .. US .. previous .. US ..
    texts[t[VERSION]] .. US .. texts[t[ATTEMPT]] .. US .. now_text .. US .. (ready == 0 and '' or texts[ready]) .. US ..
    (due == 0 and '' or texts[due]) .. US .. texts[t[RETRIES]] .. US .. texts[t[PRIORITY]] .. US .. WAIT_LETTERS[t[WAITS]] ..
    US .. t[WORKER] .. US .. t[LEASE] .. US .. (lease_until or '') .. US .. ending
  events[n] = extra or ''
end

-- A state with nothing in it yet. group_bytes: how much of identity is "project US type".
local function blank(number, status, identity, group_bytes)
  return { number, false, status, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, group_bytes, identity, '', '', '', '', '', false }
end

-- An event that is about no task: a refusal, a pause, a large graph.
local function record_other(status, project, task_id, type, batch, told, extra)
  local t = blank(0, status, table.concat({ project, type, task_id, batch, '' }, US), #project + 1 + #type)
  t[VERSION] = -1
  record(t, '', told, nil, extra)
end

-- The only place where a status changes. Writes the event; the caller has set the fields that go with it.
local function move(t, status, told, lease_until, extra)
  local previous = t[STATUS]
  if not string.find(MOVES[previous], status, 1, true) then
    error('move ' .. previous .. ' to ' .. status .. ' of ' .. name_of(t))
  end
  if previous ~= status then
    local counts = group_of(t).counts
    if previous ~= '' then counts[previous] = (counts[previous] or 0) - 1 end
    counts[status] = (counts[status] or 0) + 1
    t[STATUS] = status
  end
  record(t, previous, told, lease_until, extra)
  touch(t)
end

local function leave_group(t)
  if t[FLAGS] >= FLAG_GROUPED then t[FLAGS] = t[FLAGS] - FLAG_GROUPED end
end

local function schedule(t, at)
  leave_group(t)
  t[DUE] = at
  put(zadd, prefix .. 'due', texts[at], members[t[NUMBER]])
end

local function unschedule(t)
  if t[DUE] == 0 then return end
  t[DUE] = 0
  if t[FLAGS] >= FLAG_GROUPED then return leave_group(t) end -- the group's entry goes when its time comes
  put(zrem, prefix .. 'due', members[t[NUMBER]])
end

-- ---------------------------------------------------------------------------------------------- ready, keys, ranks

-- Lower is sooner: the static form of the score (priority*100 + hours since ready + …), so that it never needs renewal.
local function rank(t)
  local points = t[PRIORITY] * 100 + math.max(0, 10 - t[DEGREE]) + math.max(0, 5 - t[RETRIES])
  return t[READY] - points * us_per_point -- guard: rank
end

local held -- "project/key" -> how many run; loaded on first use

local function has_key(t)
  return t[CONSTANTS] ~= '' and constants_of(t).key ~= ''
end

local function key_name(t)
  return project_of(t) .. '/' .. constants_of(t).key
end

local function key_running(name)
  held = held or {}
  if not held[name] then held[name] = tonumber(call('HGET', prefix .. 'k', name) or 0) end
  return held[name]
end

local function key_change(name, by)
  local running = key_running(name) + by
  held[name] = running
  put(hset, prefix .. 'k', name, texts[running])
end

local function key_is_taken(t)
  return has_key(t) and key_running(key_name(t)) >= constants_of(t).limit -- guard: key-limit
end

local function enter_ready(t)
  local group = group_of(t)
  put(zadd, group.ready, texts[rank(t)], members[t[NUMBER]])
  woken[group.type] = true
end

-- Puts a task that waits for nothing but its turn (and perhaps its key) where it belongs, with its event.
local function make_ready(t, told, extra)
  unschedule(t)
  if key_is_taken(t) then
    t[WAITS] = WAIT_KEY
    move(t, 'b', told, nil, extra)
    put(zadd, prefix .. 'kw:' .. key_name(t), texts[rank(t)], members[t[NUMBER]])
    return
  end
  t[WAITS] = 0
  move(t, 'p', told, nil, extra)
  enter_ready(t)
end

local promoted = {} -- keys with a place that came free; their best waiter moves up at the end of the call

local function key_free(t)
  local name = has_key(t) and key_name(t)
  if name then promoted[name] = (promoted[name] or 0) + 1 end
end

-- The tasks of members of a zset; step 2 where scores stand between them.
local function numbers_of(popped, step)
  local numbers = {}
  for i = 1, #popped, step do
    numbers[#numbers + 1] = (unpack_struct('>I6', popped[i]))
    members[numbers[#numbers]] = popped[i]
  end
  load(numbers)
  return numbers
end

-- The id of the call whose leases an entry of `due` stands for; nil when it stands for one task.
local function group_entry(entry)
  return #entry > 6 and string.match(entry, '^=(.*)$') or nil
end

-- The tasks of entries of `due`. Some may have been settled or renewed meanwhile: their own DUE says so.
local function due_numbers(entries)
  local singles = {}
  for i = 1, #entries do
    local id = group_entry(entries[i])
    if id then
      local bytes = call('HGET', prefix .. 'lg', id) or ''
      for at = 1, #bytes, 6 do singles[#singles + 1] = string.sub(bytes, at, at + 5) end
    else
      singles[#singles + 1] = entries[i]
    end
  end
  return numbers_of(singles, 1)
end

-- One waiter a freed place: it competes by rank with those that are ready already. What this call has changed is written first.
local function promote_waiters()
  for name, places in pairs(promoted) do
    local key = prefix .. 'kw:' .. name
    if zrem[key] then call_many('ZREM', key, zrem[key]) end
    if zadd[key] then call_many('ZADD', key, zadd[key]) end
    zrem[key], zadd[key] = nil, nil
    local popped = call('ZRANGE', key, 0, places - 1)
    for i, number in ipairs(numbers_of(popped, 1)) do
      local t = tasks[number]
      put(zrem, key, popped[i])
      if t and t[STATUS] == 'b' and t[WAITS] == WAIT_KEY then
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
    put(zrem, group_of(t).ready, members[t[NUMBER]])
    if t[FLAGS] % 8 >= FLAG_PARKED then
      t[FLAGS] = t[FLAGS] - FLAG_PARKED
      put(zrem, prefix .. 'pk:' .. project_of(t), members[t[NUMBER]])
    end
    key_free(t)
  elseif status == 'b' and t[WAITS] == WAIT_KEY then
    put(zrem, prefix .. 'kw:' .. key_name(t), members[t[NUMBER]])
  elseif status == 'r' and has_key(t) then
    key_change(key_name(t), -1)
    key_free(t)
  end
end

-- ---------------------------------------------------------------------------------------------- ends and dependents

local ended = {} -- tasks whose dependents are to be told in this call

local function finish(t, status, told, extra)
  leave_queues(t)
  t[WAITS] = 0
  t[STARTED] = now
  t[BECAUSE] = told and told.because or ''
  move(t, status, told, nil, extra)
  put(pushed, prefix .. 'fin', members[t[NUMBER]])
  ended[#ended + 1] = { t, 0 }
end

-- One dependent learns of one end.
local function tell(child, parent, condition)
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
  if child[LEFT] > 0 then return end -- guard: dependency-count
  child[WAITS] = child[WAITS] - WAIT_DEPENDENCY
  if child[WAITS] ~= 0 then
    move(child, 'b', { reason = 'dependencies met' })
  else
    child[READY] = now
    make_ready(child)
  end
end

-- One question for all: many graphs are just tasks.
local function none_has_dependents()
  local keys = {}
  for i = 1, #ended do
    if ended[i][2] > 0 or ended[i][1][FLAGS] % 4 >= FLAG_RELEASING then return false end
    keys[i] = prefix .. 'd:' .. texts[ended[i][1][NUMBER]]
  end
  for i = 1, #keys, CHUNK do
    if call('EXISTS', unpack(keys, i, math.min(i + CHUNK - 1, #keys))) > 0 then return false end
  end
  return true
end

-- Reads the dependents of everything that has ended, up to the budget; what does not fit goes to `rel`.
local function tell_dependents()
  local at = 1
  if #ended > 3 and none_has_dependents() then ended = {} end
  while at <= #ended do
    local batch, numbers = {}, {}
    local stop = #ended
    for i = at, stop do
      local t, offset = ended[i][1], ended[i][2]
      local key = prefix .. 'd:' .. texts[t[NUMBER]]
      local room = EDGE_BUDGET - released
      if room <= 0 then
        if call('EXISTS', key) == 1 then
          t[FLAGS] = t[FLAGS] - t[FLAGS] % 4 + t[FLAGS] % 2 + FLAG_RELEASING
          touch(t)
          put(pushed, prefix .. 'rel', texts[t[NUMBER]] .. ' ' .. texts[offset])
          more = true
        end
      else
        local bytes = call('GETRANGE', key, offset, offset + room * EDGE_BYTES - 1)
        local list, count = edges(bytes)
        released = released + count
        if count == room then ended[#ended + 1] = { t, offset + #bytes } end
        if t[FLAGS] % 4 >= FLAG_RELEASING and count < room then
          t[FLAGS] = t[FLAGS] - FLAG_RELEASING
          touch(t)
        end
        if count > 0 then
          batch[#batch + 1] = { t, list, count }
          add_ends(numbers, list, count)
        end
      end
    end
    load(numbers)
    for i = 1, #batch do
      local parent, list = batch[i][1], batch[i][2]
      for j = 1, 2 * batch[i][3], 2 do
        local child = tasks[list[j]]
        if child then tell(child, parent, list[j + 1]) end
      end
    end
    at = stop + 1
  end
  ended = {}
end

-- A try is over without success: again after the backoff, or for good. code: task_error, timeout or worker_lost.
local function end_try(t, retryable, code, message)
  if t[FLAGS] % 2 == FLAG_CANCEL then
    t[FLAGS] = t[FLAGS] - FLAG_CANCEL
    return finish(t, 'x', { reason = 'cancelled while it ran' })
  end
  local constants, told = constants_of(t), { code = code, message = message }
  if not retryable or t[RETRIES] >= constants.max_retries then return finish(t, 'f', told) end
  local initial, factor, most = string.match(constants.backoff, '^([^,]*),([^,]*),([^,]*)$')
  local delay = math.min(tonumber(most or 60000), tonumber(initial or 1000) * tonumber(factor or 2) ^ t[RETRIES])
  local jitter = 0.5 + ((t[NUMBER] * 7919 + now) % 1000) / 2000 -- half to all of the delay
  leave_queues(t)
  t[RETRIES] = t[RETRIES] + 1
  if delay <= 0 then
    t[READY] = now
    return make_ready(t, told)
  end
  schedule(t, math.floor(now + delay * 1000 * jitter))
  move(t, 't', told)
end

-- ---------------------------------------------------------------------------------------------- writing it all

-- So that no command has more words than Lua's stack holds: a value may go on with RS and whole events.
local function join_events()
  local each, joined = 2 * math.ceil(event_words / CHUNK), {}
  for first = 1, event_words, each do
    local rest = { events[first + 1] }
    for i = first + 2, math.min(first + each, event_words) - 1, 2 do
      rest[#rest + 1] = RS
      rest[#rest + 1] = events[i]
      rest[#rest + 1] = events[i + 1]
    end
    joined[#joined + 1] = events[first]
    joined[#joined + 1] = table.concat(rest)
  end
  events, event_words = joined, #joined
end

-- An entry of the stream is its header (record.h), and then each event's two texts as a field and its value.
local function write_outbox()
  if event_words == 0 then return end
  local seq = texts[last_seq]
  local header = table.concat({ entry_id, meta[3], texts[first_seq], seq, epoch }, US)
  if event_words > CHUNK then join_events() end
  call('XADD', prefix .. 'ob', seq .. '-0', 'h', header, unpack(events, 1, event_words))
  call('HSET', prefix .. 'm', 'seq', seq, 'id', entry_id, 'us', now_text)
end

-- Writes the queues, so that what has become ready can be leased in this same call.
local function flush_queues()
  for key, bytes in pairs(append) do call('APPEND', key, table.concat(bytes)) end
  append = {}
  tell_dependents()
  promote_waiters()
  for key, words in pairs(zrem) do call_many('ZREM', key, words) end
  for type, known in pairs(woken) do
    if known == true then woken[type] = call('EXISTS', prefix .. 'r:' .. type) == 0 and 'was empty' or 'known' end
  end
  for key, words in pairs(zadd) do call_many('ZADD', key, words) end
  zrem, zadd = {}, {}
end

local function write_states()
  local states = {}
  for i = 1, #changed do
    states[2 * i - 1] = texts[changed[i][NUMBER]]
    states[2 * i] = encode(changed[i])
  end
  call_many('HSET', prefix .. 't', states)
  for key, words in pairs(hset) do call_many('HSET', key, words) end
  for key, bytes in pairs(append_untold) do call('APPEND', key, table.concat(bytes)) end
  for key, words in pairs(pushed) do call_many('RPUSH', key, words) end
  for _, group in pairs(groups) do
    for letter, by in pairs(group.counts) do
      if by ~= 0 then call('HINCRBY', prefix .. 'c', group.project .. '/' .. group.type .. '/' .. letter, by) end
    end
  end
end

-- Ends the call: tells dependents, moves waiters up, writes everything. Returns the head of the reply.
local function commit()
  flush_queues()
  write_states()
  write_outbox()
  if event_words == 0 and next(woken) == nil and not more then return unchanged_head() end
  local types = {}
  for type, known in pairs(woken) do
    if known == 'was empty' and call('EXISTS', prefix .. 'r:' .. type) == 1 then types[#types + 1] = type end
  end
  local wait = event_words > 0 and entry_id or (last_seq > mark_seq and meta[3] or '')
  return head(wait, more, table.concat(types, ' '))
end
