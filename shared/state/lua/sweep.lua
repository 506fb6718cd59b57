-- What time asks: releases what is due (not_before, backoff), ends tries whose lease or time has run out, and tells the
-- dependents that earlier calls had no room for.
--
-- ARGV[3]  it begins nothing more after so many due tasks
-- ARGV[4]  how many workers a task may lose: it fails with the next one
-- Returns  head, how many entries of `due` were taken, how many dependents were told, when the next is due (us; "" none)
-- Cost: O(log n) a due task, O(1) a dependent, bounded by ARGV[3] and the edge budget.

-- Time in which nobody could be heard takes no lease away: `swept` in `m` is when this was last done, all of it. Schedulers do
-- it several times a second, but not while Redis or NATS is away, and then no worker can renew either.
local SILENCE_US, NOTE_US = 3000000, 1000000
local silent_since -- nil: nobody was kept from speaking

local function look_for_silence()
  local swept = tonumber(call('HGET', key_m, 'swept') or now)
  silent_since = now - swept > SILENCE_US and swept or nil
  return swept
end

local function note_swept(swept)
  if swept == now or now - swept > NOTE_US then call('HSET', key_m, 'swept', now_text) end
end

local may_lose

-- Its lease has run out. A task that takes its workers down is stopped sooner than its retries would allow.
local function lose_worker(t)
  local lost = math.floor(t[FLAGS] / LOST_ONE)
  if lost < LOST_MOST then t[FLAGS] = t[FLAGS] + LOST_ONE end
  if lost < may_lose then return end_try(t, true, 'worker_lost', 'no renewal before lease_until') end
  end_try(t, false, 'worker_lost', 'no renewal before lease_until, ' .. texts[lost + 1] .. ' times: CORDER_MAX_LOST allows ' .. texts[may_lose])
end

-- Its lease, or something later, is not in the log yet: no worker was told of it, and none is lost. A dispatcher gives back
-- what it could tell nobody, but not before it has given up, and not when it has died.
local function is_untold(t)
  return t[SEQ] > mark_seq and t[FLAGS] % 2 ~= FLAG_CANCEL
end

local function due_one(t)
  if t[STATUS] == 't' then
    t[DUE] = 0
    t[READY] = now
    make_ready(t, { reason = 'backoff over' })
  elseif t[STATUS] == 'b' and t[WAITS] % 4 >= WAIT_TIME then
    t[DUE] = 0
    t[WAITS] = t[WAITS] - WAIT_TIME
    if t[WAITS] ~= 0 then return move(t, 'b', { reason = 'time has come' }) end
    t[READY] = now
    make_ready(t, { reason = 'time has come' })
  elseif t[STATUS] == 'r' then -- guard: lease-expiry
    local timed_out = constants_of(t).timeout > 0 and now >= t[STARTED] + constants_of(t).timeout
    if silent_since and t[DUE] > silent_since and not timed_out then
      schedule(t, now + t[DUE] - silent_since) -- what was left of it when it fell silent
      return touch(t)
    end
    t[LEASE] = '' -- a late settle is stale
    if is_untold(t) then
      leave_queues(t)
      t[READY] = now
      make_ready(t, { reason = 'given back: no worker was told' })
    elseif timed_out then
      end_try(t, true, 'timeout', 'ran longer than its timeout')
    else
      lose_worker(t)
    end
  end
end

local function sweep_due(most)
  local popped = call('ZRANGEBYSCORE', key_due, '-inf', now_text, 'LIMIT', 0, most)
  local members, taken = due_members(popped, most)
  local groups_over = {}
  for i = 1, taken do
    put(zrem, key_due, popped[i])
    groups_over[#groups_over + 1] = group_entry(popped[i])
  end
  call_many('HDEL', key_lg, groups_over)
  for i = 1, #members do
    local t = tasks[members[i]]
    if t and t[DUE] ~= 0 and t[DUE] <= now then due_one(t) end
  end
  local all = taken == #popped and taken < most
  if not all then more = true end
  return taken, all
end

-- One end at a time until the budget is used: tell_dependents() puts back what is left.
local function sweep_releases()
  local items = call('LRANGE', prefix .. 'rel', 0, 63)
  if #items == 0 then return end
  call('LTRIM', prefix .. 'rel', #items, -1)
  local members = {}
  for i = 1, #items do members[i] = string_sub(items[i], 1, 6) end
  load(members)
  for i = 1, #items do
    local t = tasks[members[i]]
    if t then ended[#ended + 1] = { t, tonumber(string_sub(items[i], 7)) } end
  end
  more = more or #items == 64
end

verb('sweep', function()
  may_lose = tonumber(ARGV[4])
  local most, swept = tonumber(ARGV[3]), look_for_silence()
  local count_due, all = sweep_due(most)
  if all then note_swept(swept) end
  sweep_releases()
  local result = commit()
  local first = call('ZRANGE', key_due, 0, 0, 'WITHSCORES')
  return { result, tostring(count_due), tostring(released), first[2] or '' }
end)
