-- What a dispatcher does for its workers: settles, then renews, then leases, in one call.
--
-- ARGV[3], [4], [5]  how many settles, renewals, lease requests follow, as one text each
--   settle   project/task_id US lease US outcome (completed, failed, released) US retryable (0, 1) US message US result
--   renewal  project/task_id US lease US lease_us
--   request  task_type US worker US max US lease_us US request_id ("": none; else the same id again gets the same tasks)
-- ARGV[6]    for how many seconds request ids are remembered
-- Returns    head (commit()), then a text for each settle, renewal and request:
--   settle   status letter, or an error code
--   renewal  lease_until_us US cancel (0, 1), or an error code
--   request  a list: how many the request still lacks because its budget ran out (0: the queue is empty or it is served),
--            then 12 texts a task: number, project, task_id, task_type, batch_id, priority, attempt, retry_count, lease,
--            lease_until_us, "created_us ready_us started_us version", specification; then one: inputs, "task_id US result"
--            joined by RS
-- Cost: O(log n) a task, O(1) an edge.

local PARK_BUDGET = 128 -- ready entries one call sets aside (paused project, key taken) before it says "more"
local settle_count, renew_count, request_count = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local request_ttl = ARGV[6]
local reply = { '' }

-- Where tasks have left Redis, one that is not here may well exist: then it has ended, and its lease with it.
local function absent()
  return evicted > 0 and 'stale_lease' or 'not_found'
end

local function settle_one(t, lease, outcome, retryable, message, result)
  if not t then return absent() end
  if t.lease ~= lease or lease == '' then return 'stale_lease' end
  if t.status ~= 'r' then return t.status end -- said before: the same answer
  if outcome == 'completed' and t.flags % 2 ~= FLAG_CANCEL then
    finish(t, 'c', { extra = result })
    t.result = result
  elseif outcome == 'released' and t.flags % 2 ~= FLAG_CANCEL then
    leave_queues(t)
    t.ready = now
    make_ready(t, { reason = 'released by its worker' })
  else
    end_try(t, retryable == '1', 'task_error', message)
  end
  return t.status
end

local fresh = {} -- number -> result of what this call completed: not written yet when its dependents are leased

-- A completed task's specification makes room for its result; its hash stays, for repeats of the submission.
local function keep_results(done)
  local fields = {}
  for i = 1, #done do fields[i] = number_text(done[i][1].number) end
  local old = get_many(prefix .. 'x', fields)
  for i = 1, #done do
    local hash = string.match(old[i] or '', '^[^\31]*\31[^\31]*\31[^\31]*\31[^\31]*\31[^\31]*\31[^\31]*\31[^\31]*\31([^\31]*)\31')
    local t, result = done[i][1], done[i][2]
    put(hset, prefix .. 'x', fields[i], '=' .. (hash or '') .. US .. result)
    fresh[t.number] = result
  end
end

local function settle_all(from)
  local names, parts, done = {}, {}, {}
  for i = 1, settle_count do
    local name, lease, outcome, retryable, message, at =
      string.match(ARGV[from + i - 1], '^([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31()')
    names[i] = name
    parts[i] = { lease, outcome, retryable, message, string.sub(ARGV[from + i - 1], at) }
  end
  local found = find(names)
  for i = 1, settle_count do
    local t, p = tasks[found[names[i]] or 0], parts[i]
    reply[#reply + 1] = settle_one(t, p[1], p[2], p[3], p[4], p[5])
    if t and t.result then
      done[#done + 1] = { t, t.result }
      t.result = nil -- the same settle may come twice in a call
    end
  end
  keep_results(done)
end

local function renew_one(t, lease, lease_us)
  if not t then return absent() end
  if t.status ~= 'r' or t.lease ~= lease then return 'stale_lease' end
  local till = now + lease_us
  if t.timeout > 0 then till = math.min(till, t.started + t.timeout) end
  schedule(t, till)
  touch(t)
  return number_text(till) .. US .. (t.flags % 2 == FLAG_CANCEL and '1' or '0')
end

local function renew_all(from)
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

local paused
local function is_paused(type, project)
  if not paused then
    paused = { any = false }
    local fields = call('HKEYS', prefix .. 'ps')
    for i = 1, #fields do paused[fields[i]] = true end
    paused.any = #fields > 0
  end
  return paused.any and paused[type .. '/' .. project]
end

local lease_count = 0

local function lease_one(t, request)
  lease_count = lease_count + 1
  t.attempt = t.attempt + 1
  t.lease = entry_id .. '-' .. number_text(lease_count)
  t.worker = request.worker
  t.started = now
  if t.key ~= '' then key_change(key_name(t), 1) end
  local till = now + request.lease_us
  if t.timeout > 0 then till = math.min(till, now + t.timeout) end
  schedule(t, till)
  move(t, 'r', { lease_until = number_text(till) })
end

-- A ready task that cannot be leased now steps aside, to where its obstacle will find it again.
local function set_aside(t)
  if is_paused('', t.project) or is_paused(t.type, t.project) then
    t.flags = t.flags + FLAG_PARKED
    touch(t)
    put(zadd, prefix .. 'pk:' .. t.project, number_text(rank(t)), member(t.number))
    return true
  end
  if t.key ~= '' and key_running(key_name(t)) >= t.limit then
    t.waits = WAIT_KEY
    move(t, 'b', { reason = 'key taken' })
    put(zadd, prefix .. 'kw:' .. key_name(t), number_text(rank(t)), member(t.number))
    return true
  end
  return false
end

local function take(request, leased)
  local aside = 0
  while #leased < request.max do
    local popped = call('ZPOPMIN', prefix .. 'r:' .. request.type, request.max - #leased)
    if #popped == 0 then return 0 end
    local numbers = {}
    for i = 1, #popped, 2 do numbers[#numbers + 1] = (unpack_struct('>I6', popped[i])) end
    load(numbers)
    for i = 1, #numbers do
      local t = tasks[numbers[i]]
      if t and t.status == 'p' then
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
    if t and t.status == 'r' and t.lease == leases[i] then leased[#leased + 1] = t end
  end
  return key, true
end

local function serve(request)
  local leased, key, known, lacking = {}, nil, false, 0
  if request.id ~= '' then key, known = take_again(request, leased) end
  if not known and not is_paused(request.type, '') then lacking = take(request, leased) end
  if key and not known and #leased > 0 then
    local words = {}
    for i = 1, #leased do words[i] = number_text(leased[i].number) .. ' ' .. leased[i].lease end
    call('SET', key, table.concat(words, ' '), 'EX', request_ttl)
  end
  return leased, lacking
end

-- The results of the dependencies of all leased tasks: number -> inputs text.
local function read_inputs(all)
  local fields, owners = {}, {}
  for _, t in ipairs(all) do
    if t.degree > 0 and not t.parents then -- a request id that comes twice in a call leases the same task twice
      t.parents = {}
      fields[#fields + 1] = number_text(t.number)
      owners[#owners + 1] = t
    end
  end
  local lists, parents, seen = get_many(prefix .. 'e', fields), {}, {}
  for i = 1, #owners do
    owners[i].parents = edges(lists[i] or '')
    for _, edge in ipairs(owners[i].parents) do
      if not seen[edge[1]] then
        seen[edge[1]] = #parents + 1
        parents[#parents + 1] = edge[1]
      end
    end
  end
  load(parents)
  local names = {}
  for i = 1, #parents do names[i] = number_text(parents[i]) end
  local payloads = get_many(prefix .. 'x', names)
  for _, t in ipairs(owners) do
    local inputs = {}
    for _, edge in ipairs(t.parents) do
      local parent, bytes = tasks[edge[1]], payloads[seen[edge[1]]]
      local result = fresh[edge[1]] or (bytes and string.match(bytes, '^=[^\31]*\31(.*)$')) or ''
      if parent and parent.status == 'c' then inputs[#inputs + 1] = parent.task_id .. US .. result end
    end
    t.parents = nil
    t.inputs = table.concat(inputs, RS)
  end
end

local function lease_all(from)
  local all, served = {}, {}
  for i = 1, request_count do
    local type, worker, max, lease_us, id =
      string.match(ARGV[from + i - 1], '^([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)$')
    local leased, lacking = serve({ type = type, worker = worker, max = tonumber(max), lease_us = tonumber(lease_us), id = id })
    served[i] = { leased, lacking }
    for j = 1, #leased do all[#all + 1] = leased[j] end
  end
  read_inputs(all)
  local fields = {}
  for i = 1, #all do fields[i] = number_text(all[i].number) end
  local payloads, at = get_many(prefix .. 'x', fields), 0
  for i = 1, request_count do
    local list = { number_text(served[i][2]) }
    for _, t in ipairs(served[i][1]) do
      at = at + 1
      local n = #list
      list[n + 1], list[n + 2], list[n + 3], list[n + 4], list[n + 5] = fields[at], t.project, t.task_id, t.type, t.batch
      list[n + 6], list[n + 7], list[n + 8], list[n + 9] = number_text(t.priority), number_text(t.attempt), number_text(t.retries), t.lease
      list[n + 10] = number_text(t.due)
      list[n + 11] = format('%d %d %d %d', t.created, t.ready, t.started, t.version)
      list[n + 12], list[n + 13] = payloads[at] or '', t.inputs or ''
    end
    reply[#reply + 1] = list
  end
end

settle_all(7)
renew_all(7 + settle_count)
if request_count > 0 then
  flush_queues()
  lease_all(7 + settle_count + renew_count)
end
reply[1] = commit()
return reply
