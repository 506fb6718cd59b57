-- The moves, after prelude.lua in every verb: events, ready queues, ends, and the writing of it all.

local WAIT_LETTERS = {}
for bits = 0, 15 do
  WAIT_LETTERS[bits] = (bits % 2 >= 1 and 'd' or '') .. (bits % 4 >= 2 and 't' or '') ..
    (bits % 8 >= 4 and 'a' or '') .. (bits >= 8 and 'k' or '')
end

-- what: reason, code, message, because, extra, lease_until (all optional). See record.h for the fields.
local function record(t, previous, what)
  last_seq = last_seq + 1
  t.seq = last_seq
  t.version = t.version + 1
  records[#records + 1] = table.concat({
    number_text(last_seq), t.status, number_text(t.number), t.project, t.task_id, t.type, t.batch, previous, number_text(t.version),
    number_text(t.attempt), now_text, optional_text(t.ready), optional_text(t.due), number_text(t.retries), number_text(t.priority), WAIT_LETTERS[t.waits],
    t.worker, t.lease, what.lease_until and number_text(what.lease_until) or '', what.reason or '', what.code or '',
    what.message or '', what.because or '', t.trace, what.extra or '',
  }, US)
end

-- An event that is about no task: a refusal, a pause, a large graph.
local function record_other(status, project, task_id, type, batch, what)
  record({ status = status, number = 0, version = -1, attempt = 0, ready = 0, due = 0, retries = 0, priority = 0, waits = 0,
    worker = '', lease = '', trace = '', project = project, task_id = task_id, type = type, batch = batch }, '', what)
end

-- The only place where a status changes. Writes the event; the caller has set the fields that go with it.
local function move(t, status, what)
  local previous = t.status
  if not string.find(MOVES[previous], status, 1, true) then
    error('move ' .. previous .. ' to ' .. status .. ' of ' .. t.project .. '/' .. t.task_id)
  end
  t.status = status
  if previous ~= status then
    if previous ~= '' then count(t, previous, -1) end
    count(t, status, 1)
  end
  record(t, previous, what or {})
  touch(t)
end

local function schedule(t, at)
  t.due = at
  put(zadd, prefix .. 'due', number_text(at), member(t.number))
end

local function unschedule(t)
  if t.due ~= 0 then
    t.due = 0
    put(zrem, prefix .. 'due', member(t.number))
  end
end

-- ---------------------------------------------------------------------------------------------- ready, keys, ranks

-- Lower is sooner: the static form of the score (priority*100 + hours since ready + …), so that it never needs renewal.
local function rank(t)
  local points = t.priority * 100 + math.max(0, 10 - t.degree) + math.max(0, 5 - t.retries)
  return t.ready - points * us_per_point
end

local held -- "project/key" -> how many run; loaded on first use

local function key_name(t)
  return t.project .. '/' .. t.key
end

local function key_running(name)
  held = held or {}
  if not held[name] then held[name] = tonumber(call('HGET', prefix .. 'k', name) or 0) end
  return held[name]
end

local function key_change(name, by)
  local running = key_running(name) + by
  held[name] = running
  put(hset, prefix .. 'k', name, number_text(running))
end

-- Puts a task that waits for nothing but its turn (and perhaps its key) where it belongs, with its event.
local function make_ready(t, what)
  unschedule(t)
  if t.key ~= '' and key_running(key_name(t)) >= t.limit then
    t.waits = WAIT_KEY
    move(t, 'b', what)
    put(zadd, prefix .. 'kw:' .. key_name(t), number_text(rank(t)), member(t.number))
    return
  end
  t.waits = 0
  move(t, 'p', what)
  put(zadd, prefix .. 'r:' .. t.type, number_text(rank(t)), member(t.number))
  woken[t.type] = true
end

local promoted = {} -- keys with a place that came free; their best waiter moves up at the end of the call

local function key_free(t)
  if t.key == '' then return end
  local name = key_name(t)
  promoted[name] = (promoted[name] or 0) + 1
end

-- One waiter a freed place: it competes by rank with those that are ready already.
local function promote_waiters()
  for name, places in pairs(promoted) do
    local popped = call('ZRANGE', prefix .. 'kw:' .. name, 0, places - 1)
    local numbers = {}
    for i = 1, #popped do numbers[i] = (unpack_struct('>I6', popped[i])) end
    load(numbers)
    for i = 1, #numbers do
      local t = tasks[numbers[i]]
      put(zrem, prefix .. 'kw:' .. name, popped[i])
      if t and t.status == 'b' and t.waits == WAIT_KEY then
        t.waits = 0
        move(t, 'p', { reason = 'key free' })
        put(zadd, prefix .. 'r:' .. t.type, number_text(rank(t)), member(t.number))
        woken[t.type] = true
      end
    end
  end
  promoted = {}
end

-- Takes a task out of every queue it may stand in, before it ends or changes its place.
local function leave_queues(t)
  unschedule(t)
  if t.status == 'p' then
    put(zrem, prefix .. 'r:' .. t.type, member(t.number))
    if t.flags % 8 >= FLAG_PARKED then
      t.flags = t.flags - FLAG_PARKED
      put(zrem, prefix .. 'pk:' .. t.project, member(t.number))
    end
    key_free(t)
  elseif t.status == 'b' and t.waits == WAIT_KEY then
    put(zrem, prefix .. 'kw:' .. key_name(t), member(t.number))
  elseif t.status == 'r' and t.key ~= '' then
    key_change(key_name(t), -1)
    key_free(t)
  end
end

-- ---------------------------------------------------------------------------------------------- ends and dependents

local ended = {} -- tasks whose dependents are to be told in this call

local function finish(t, status, what)
  leave_queues(t)
  t.waits = 0
  t.started = now
  t.because = what and what.because or ''
  move(t, status, what)
  put(pushed, prefix .. 'fin', member(t.number))
  ended[#ended + 1] = { t, 0 }
end

-- One dependent learns of one end.
local function tell(child, parent, condition)
  if child.status ~= 'b' or child.waits % 2 < WAIT_DEPENDENCY then return end
  if not HOLDS[condition][parent.status] then
    if child.policy == 1 then return end -- block: it waits until somebody retries the dependency, or cancels
    if child.policy == 0 then
      finish(child, 's', { because = parent.task_id, reason = 'dependency ' .. parent.task_id .. ' ended' })
      return
    end
  end
  child.left = child.left - 1
  touch(child)
  if child.left > 0 then return end
  child.waits = child.waits - WAIT_DEPENDENCY
  if child.waits ~= 0 then
    move(child, 'b', { reason = 'dependencies met' })
  else
    child.ready = now
    make_ready(child)
  end
end

-- One question for all: many graphs are just tasks.
local function none_has_dependents()
  local keys = {}
  for i = 1, #ended do
    if ended[i][2] > 0 or ended[i][1].flags % 4 >= FLAG_RELEASING then return false end
    keys[i] = prefix .. 'd:' .. number_text(ended[i][1].number)
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
      local room = EDGE_BUDGET - released
      if room <= 0 then
        if call('EXISTS', prefix .. 'd:' .. number_text(t.number)) == 1 then
          t.flags = t.flags - t.flags % 4 + t.flags % 2 + FLAG_RELEASING
          touch(t)
          put(pushed, prefix .. 'rel', number_text(t.number) .. ' ' .. number_text(offset))
          more = true
        end
      else
        local bytes = call('GETRANGE', prefix .. 'd:' .. number_text(t.number), offset, offset + room * EDGE_BYTES - 1)
        local list = edges(bytes)
        released = released + #list
        if #list == room then ended[#ended + 1] = { t, offset + #bytes } end
        if t.flags % 4 >= FLAG_RELEASING and #list < room then
          t.flags = t.flags - FLAG_RELEASING
          touch(t)
        end
        batch[#batch + 1] = { t, list }
        for j = 1, #list do numbers[#numbers + 1] = list[j][1] end
      end
    end
    load(numbers)
    for i = 1, #batch do
      local parent, list = batch[i][1], batch[i][2]
      for j = 1, #list do
        local child = tasks[list[j][1]]
        if child then tell(child, parent, list[j][2]) end
      end
    end
    at = stop + 1
  end
  ended = {}
end

-- A try is over without success: again after the backoff, or for good. code: task_error, timeout or worker_lost.
local function end_try(t, retryable, code, message)
  if t.flags % 2 == FLAG_CANCEL then
    t.flags = t.flags - FLAG_CANCEL
    return finish(t, 'x', { reason = 'cancelled while it ran' })
  end
  if not retryable or t.retries >= t.max_retries then
    return finish(t, 'f', { code = code, message = message })
  end
  local initial, factor, most = string.match(t.backoff, '^([^,]*),([^,]*),([^,]*)$')
  local delay = math.min(tonumber(most or 60000), tonumber(initial or 1000) * tonumber(factor or 2) ^ t.retries)
  local jitter = 0.5 + ((t.number * 7919 + now) % 1000) / 2000 -- half to all of the delay
  leave_queues(t)
  t.retries = t.retries + 1
  if delay <= 0 then
    t.ready = now
    return make_ready(t, { code = code, message = message })
  end
  schedule(t, math.floor(now + delay * 1000 * jitter))
  move(t, 't', { code = code, message = message })
end

-- ---------------------------------------------------------------------------------------------- writing it all

local function write_outbox()
  if #records == 0 then return end
  local seq_text = number_text(last_seq)
  call('XADD', prefix .. 'ob', seq_text .. '-0', 'h',
    table.concat({ entry_id, meta[3], number_text(first_seq), seq_text, epoch }, US), 'r', table.concat(records, RS))
  call('HSET', prefix .. 'm', 'seq', seq_text, 'id', entry_id, 'us', now_text)
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
    states[#states + 1] = number_text(changed[i].number)
    states[#states + 1] = encode(changed[i])
  end
  call_many('HSET', prefix .. 't', states)
  for key, words in pairs(hset) do call_many('HSET', key, words) end
  for key, bytes in pairs(append_untold) do call('APPEND', key, table.concat(bytes)) end
  for key, words in pairs(pushed) do call_many('RPUSH', key, words) end
  for project, types in pairs(hincr) do
    for type, letters in pairs(types) do
      for letter, by in pairs(letters) do
        if by ~= 0 then call('HINCRBY', prefix .. 'c', project .. '/' .. type .. '/' .. letter, by) end
      end
    end
  end
end

-- Ends the call: tells dependents, moves waiters up, writes everything. Returns what every reply begins with:
-- epoch, the entry to wait for ("" when all this call has seen is in the log already), its last seq, whether the sweep
-- has more to do (0 or 1), the clock, and the types whose ready queue was empty and is not any more.
local function commit()
  flush_queues()
  write_states()
  write_outbox()
  local types = {}
  for type, known in pairs(woken) do
    if known == 'was empty' and call('EXISTS', prefix .. 'r:' .. type) == 1 then types[#types + 1] = type end
  end
  local wait = ''
  if #records > 0 then
    wait = entry_id
  elseif last_seq > mark_seq then
    wait = meta[3]
  end
  return table.concat({ epoch, wait, number_text(last_seq), more and '1' or '0', now_text, table.concat(types, ' ') }, US)
end
