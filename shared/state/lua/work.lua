-- What a dispatcher does for its workers: settles, then renews, then leases, in one call.
--
-- ARGV[3], [4], [5]  how many settles, renewals, lease requests follow
--   settle   four texts: project/task_id, lease, outcome (completed, failed: may be retried, final: may not, released), result or message
--   renewal  one text: project/task_id US lease US lease_us
--   request  one text: task_type US worker US max US lease_us US request_id ("": none; else the same id again gets the same tasks)
-- ARGV[6]    for how many seconds request ids are remembered
-- Returns    head (commit()), then a text for each settle, renewal and request:
--   settle   status letter, or an error code
--   renewal  lease_until_us US cancel (0, 1), or an error code
--   request  a list: how many the request still lacks because its budget ran out (0: the queue is empty or it is served),
--            then 5 texts a task: identity, lease, "priority US attempt US retry_count US lease_until_us US created_us US
--            ready_us US started_us US version", specification, and inputs: "task_id US result" joined by RS
-- Cost: O(log n) a task, O(1) an edge.

local PARK_BUDGET = 128 -- ready entries one call sets aside (paused project, key taken) before it says "more"
local settle_count, renew_count, request_count = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local request_ttl = ARGV[6]
local reply = { '' }

-- Where tasks have left Redis, one that is not here may well exist: then it has ended, and its lease with it.
local function absent()
  return evicted > 0 and 'stale_lease' or 'not_found'
end

local fresh = {} -- number -> result of what this call completed: not written yet when its dependents are leased

local function settle_one(t, lease, outcome, said)
  if not t then return absent() end
  if t[LEASE] ~= lease or lease == '' then return 'stale_lease' end -- guard: settle-token
  if t[STATUS] ~= 'r' then return t[STATUS] end -- said before: the same answer
  if outcome == 'completed' and t[FLAGS] % 2 ~= FLAG_CANCEL then
    finish(t, 'c', nil, said)
    put(hset, prefix .. 'x', texts[t[NUMBER]], '=' .. said) -- the specification makes room for the result
    fresh[t[NUMBER]] = said
  elseif outcome == 'released' and t[FLAGS] % 2 ~= FLAG_CANCEL then
    leave_queues(t)
    t[READY] = now
    make_ready(t, { reason = 'released by its worker' })
  else
    end_try(t, outcome ~= 'final', 'task_error', said)
  end
  return t[STATUS]
end

local function settle_all(from)
  if settle_count == 0 then return end
  local names = {}
  for i = 1, settle_count do names[i] = ARGV[from + 4 * i - 4] end
  local found = find(names)
  for i = 1, settle_count do
    local at = from + 4 * i - 4
    reply[1 + i] = settle_one(tasks[found[names[i]] or 0], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
  end
end

local function renew_one(t, lease, lease_us)
  if not t then return absent() end
  if t[STATUS] ~= 'r' or t[LEASE] ~= lease then return 'stale_lease' end
  local timeout, till = constants_of(t).timeout, now + lease_us
  if timeout > 0 then till = math.min(till, t[STARTED] + timeout) end
  schedule(t, till)
  touch(t)
  return texts[till] .. US .. (t[FLAGS] % 2 == FLAG_CANCEL and '1' or '0')
end

local function renew_all(from)
  if renew_count == 0 then return end
  local names, leases, times = {}, {}, {}
  for i = 1, renew_count do
    names[i], leases[i], times[i] = string.match(ARGV[from + i - 1], '^([^\31]*)\31([^\31]*)\31([^\31]*)$')
  end
  local found = find(names)
  for i = 1, renew_count do
    reply[#reply + 1] = renew_one(tasks[found[names[i]] or 0], leases[i], tonumber(times[i]))
  end
end

-- ---------------------------------------------------------------------------------------------- leasing

local paused -- "type/project" -> true; loaded on first use
local function paused_any()
  if not paused then
    paused = {}
    local fields = call('HKEYS', prefix .. 'ps')
    for i = 1, #fields do paused[fields[i]] = true end
  end
  return next(paused) ~= nil
end

local function is_paused(type, project)
  return paused_any() and paused[type .. '/' .. project]
end

local lease_count = 0
local together, together_till = {}, nil -- leases of this call that end at the same time: one entry in `due` for all

local function lease_one(t, request)
  lease_count = lease_count + 1
  t[ATTEMPT] = t[ATTEMPT] + 1
  t[LEASE] = entry_id .. '-' .. texts[lease_count] -- guard: unique-token
  t[WORKER] = request.worker
  t[STARTED] = now
  local till = now + request.lease_us
  if t[CONSTANTS] ~= '' then
    local constants = constants_of(t)
    if constants.key ~= '' then key_change(key_name(t), 1) end
    if constants.timeout > 0 then till = math.min(till, now + constants.timeout) end
  end
  t[DUE] = till
  together_till = together_till or till
  if till == together_till then
    together[#together + 1] = t
  else
    schedule(t, till)
  end
  move(t, 'r', nil, texts[till])
end

local function schedule_together()
  if #together == 1 then
    schedule(together[1], together_till)
  elseif #together > 1 then
    local numbers = {}
    for i = 1, #together do
      local t = together[i]
      t[FLAGS] = t[FLAGS] + FLAG_GROUPED
      numbers[i] = members[t[NUMBER]]
    end
    put(hset, prefix .. 'lg', entry_id, table.concat(numbers))
    put(zadd, prefix .. 'due', texts[together_till], '=' .. entry_id)
  end
end

-- A ready task that cannot be leased now steps aside, to where its obstacle will find it again.
local function set_aside(t)
  if paused_any() and (is_paused('', project_of(t)) or is_paused(type_of(t), project_of(t))) then
    t[FLAGS] = t[FLAGS] + FLAG_PARKED
    touch(t)
    put(zadd, prefix .. 'pk:' .. project_of(t), texts[rank(t)], members[t[NUMBER]])
    return true
  end
  if key_is_taken(t) then
    t[WAITS] = WAIT_KEY
    move(t, 'b', { reason = 'key taken' })
    put(zadd, prefix .. 'kw:' .. key_name(t), texts[rank(t)], members[t[NUMBER]])
    return true
  end
  return false
end

local function take(request, leased)
  local aside = 0
  while #leased < request.max do
    local popped = call('ZPOPMIN', prefix .. 'r:' .. request.type, request.max - #leased)
    if #popped == 0 then return 0 end
    local numbers = numbers_of(popped, 2)
    for i = 1, #numbers do
      local t = tasks[numbers[i]]
      if t and t[STATUS] == 'p' then
        if set_aside(t) then
          aside = aside + 1
        else
          lease_one(t, request)
          leased[#leased + 1] = t
        end
      end
    end
    if aside > PARK_BUDGET then return request.max - #leased end
  end
  return 0
end

-- The tasks an earlier request of this id got, as far as it still holds them.
local function take_again(request, leased)
  local key = prefix .. 'rq:' .. request.type .. '/' .. request.id
  local stored = call('GET', key)
  if not stored then return key, false end
  local numbers, leases = {}, {}
  for number, lease in string.gmatch(stored, '(%d+) (%S+)') do
    numbers[#numbers + 1] = tonumber(number)
    leases[#leases + 1] = lease
  end
  load(numbers)
  for i = 1, #numbers do
    local t = tasks[numbers[i]]
    if t and t[STATUS] == 'r' and t[LEASE] == leases[i] then leased[#leased + 1] = t end
  end
  return key, true
end

local function serve(request)
  local leased, key, known, lacking = {}, nil, false, 0
  if request.id ~= '' then key, known = take_again(request, leased) end
  if not known and not is_paused(request.type, '') then lacking = take(request, leased) end
  if key and not known and #leased > 0 then
    local words = {}
    for i = 1, #leased do words[i] = texts[leased[i][NUMBER]] .. ' ' .. leased[i][LEASE] end
    call('SET', key, table.concat(words, ' '), 'EX', request_ttl)
  end
  return leased, lacking
end

-- The results of the dependencies of all leased tasks: number -> inputs text.
local function read_inputs(all)
  local fields, owners, inputs = {}, {}, {}
  for _, t in ipairs(all) do
    if t[DEGREE] > 0 then
      fields[#fields + 1] = texts[t[NUMBER]]
      owners[#owners + 1] = t
    end
  end
  if #owners == 0 then return inputs end
  local bytes, lists, parents, names, seen = get_many(prefix .. 'e', fields), {}, {}, {}, {}
  for i = 1, #owners do
    local list, count = edges(bytes[i] or '')
    lists[i] = list
    for j = 1, 2 * count, 2 do
      if not seen[list[j]] then
        parents[#parents + 1] = list[j]
        names[#parents] = texts[list[j]]
        seen[list[j]] = #parents
      end
    end
  end
  load(parents)
  local payloads = get_many(prefix .. 'x', names)
  for i = 1, #owners do
    local list, items = lists[i], {}
    for j = 1, #list, 2 do
      local parent, payload = tasks[list[j]], payloads[seen[list[j]]]
      if parent and parent[STATUS] == 'c' then
        items[#items + 1] = task_id_of(parent) .. US .. (fresh[list[j]] or (payload and string.sub(payload, 2)) or '')
      end
    end
    inputs[owners[i][NUMBER]] = table.concat(items, RS)
  end
  return inputs
end

local function numbers_about(t)
  return texts[t[PRIORITY]] .. US .. texts[t[ATTEMPT]] .. US .. texts[t[RETRIES]] .. US ..
    texts[t[DUE]] .. US .. texts[t[CREATED]] .. US .. texts[t[READY]] .. US .. texts[t[STARTED]] .. US ..
    texts[t[VERSION]]
end

local function lease_all(from)
  local all, fields, served, n = {}, {}, {}, 0
  for i = 1, request_count do
    local type, worker, max, lease_us, id =
      string.match(ARGV[from + i - 1], '^([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)$')
    local leased, lacking = serve({ type = type, worker = worker, max = tonumber(max), lease_us = tonumber(lease_us), id = id })
    served[i] = { leased, lacking }
    for j = 1, #leased do
      n = n + 1
      all[n] = leased[j]
      fields[n] = texts[leased[j][NUMBER]]
    end
  end
  schedule_together()
  local inputs, payloads, at = read_inputs(all), get_many(prefix .. 'x', fields), 0
  for i = 1, request_count do
    local list = { texts[served[i][2]] }
    for j, t in ipairs(served[i][1]) do
      at = at + 1
      local last = 5 * j - 4
      list[last + 1], list[last + 2], list[last + 3], list[last + 4], list[last + 5] =
        t[IDENTITY], t[LEASE], numbers_about(t), payloads[at] or '', inputs[t[NUMBER]] or ''
    end
    reply[#reply + 1] = list
  end
end

settle_all(7)
renew_all(7 + 4 * settle_count)
if request_count > 0 then
  flush_queues()
  lease_all(7 + 4 * settle_count + renew_count)
end
reply[1] = commit()
return reply
