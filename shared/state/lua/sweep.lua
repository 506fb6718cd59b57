-- What time asks: releases what is due (not_before, backoff), ends tries whose lease or time has run out, and tells the
-- dependents that earlier calls had no room for.
--
-- ARGV[3]  at most so many due tasks
-- Returns  head, how many were due, how many dependents were told, when the next is due (us; "" none)
-- Cost: O(log n) a due task, O(1) a dependent, bounded by ARGV[3] and the edge budget.

local most = tonumber(ARGV[3])

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
    t[LEASE] = '' -- a late settle is stale
    if timed_out then
      end_try(t, true, 'timeout', 'ran longer than its timeout')
    else
      end_try(t, true, 'worker_lost', 'no renewal before lease_until')
    end
  end
end

local function sweep_due()
  local popped = call('ZRANGEBYSCORE', prefix .. 'due', '-inf', now_text, 'LIMIT', 0, most)
  local numbers, groups_over = due_numbers(popped), {}
  for i = 1, #popped do
    put(zrem, prefix .. 'due', popped[i])
    groups_over[#groups_over + 1] = group_entry(popped[i])
  end
  call_many('HDEL', prefix .. 'lg', groups_over)
  for i = 1, #numbers do
    local t = tasks[numbers[i]]
    if t and t[DUE] ~= 0 and t[DUE] <= now then due_one(t) end
  end
  if #popped == most then more = true end
  return #popped
end

-- One end at a time until the budget is used: tell_dependents() puts back what is left.
local function sweep_releases()
  local items = call('LRANGE', prefix .. 'rel', 0, 63)
  if #items == 0 then return end
  call('LTRIM', prefix .. 'rel', #items, -1)
  local numbers = {}
  for i = 1, #items do numbers[i] = tonumber(string.match(items[i], '^%d+')) end
  load(numbers)
  for i = 1, #items do
    local t = tasks[numbers[i]]
    if t then ended[#ended + 1] = { t, tonumber(string.match(items[i], ' (%d+)$')) } end
  end
  more = more or #items == 64
end

local count_due = sweep_due()
sweep_releases()
local head = commit()
local first = call('ZRANGE', prefix .. 'due', 0, 0, 'WITHSCORES')
return { head, tostring(count_due), tostring(released), first[2] or '' }
