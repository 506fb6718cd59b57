-- What a dispatcher does for its workers: settles, then renews (work_settle.lua), then leases, in one call.
--
-- ARGV[3], [4], [5]  how many settles, renewals, lease requests follow
--   settle   six texts: the member that the lease names ("" none), project US, US task_id US, lease, outcome (c completed, f
--            failed: may be retried, n: may not, r released, u given back: no worker has heard of it), "=" task_id US result, or
--            the message, or of u by what request id the task was given, and to whom: type/worker/request_id US name ("": none)
--   renewal  one text: project/task_id US lease US lease_us
--   request  one text: task_type US worker US max US lease_us US request_id ("": none; else the same id of the same worker again
--            gets the same tasks) US name (which of those that come by this id it is)
-- ARGV[6]    for how many seconds request ids are remembered
-- ARGV[7]    the id of the entry that the log ends with, as far as the caller knows; "": it does not
-- Returns    head (commit()), then a text for each settle, renewal and request:
--   settle   status letter, or an error code
--   renewal  lease_until_us US cancel (0, 1), or an error code
--   request  a list: how many the request still lacks because its budget ran out (0: the queue is empty or it is served),
--            then 3 texts a task: its state (packed.c), its specification, its dependencies (7 bytes an edge)
--            and at the end a list of all completed dependencies of the tasks: member, "=" task_id US result, by twos; and one of how
--            the last try of those that were tried before failed: member, code US message, by twos; and last of all, if the
--            caller is to append it, this call's entry as it stands in the outbox ("d", header, two texts an event)
-- A lease is the id of the entry that gave it and the task's number.
-- Cost: O(log n) a task, O(1) an edge.

local PARK_BUDGET = 128 -- ready entries one call sets aside (paused project, key taken) before it says "more"

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

-- Ready queue -> what was popped of it for all who ask in this call: members; first: the first of them that is left; wanted: how
-- many those who ask may still take; all: the queue has no more.
local ahead
-- Leases of this call that end at the same time: one entry in `due` for all. It stays until then, also when all have ended
-- long before, so that is for short ones.
local together, together_till
local TOGETHER_US = 120000000

local function lease_one(t, request)
  t[ATTEMPT] = t[ATTEMPT] + 1
  t[LEASE] = entry_id .. '-' .. texts[number_of(t[MEMBER])] -- guard: unique-token
  t[WORKER] = request.worker
  t[STARTED] = now
  local till = now + request.lease_us
  if t[SPECIAL] ~= 0 then
    local its = constants_of(t)
    if its.key ~= '' then key_change(key_name(t), 1) end
    if its.timeout > 0 then till = math_min(till, now + its.timeout) end
  end
  if request.lease_us <= TOGETHER_US then together_till = together_till or till end
  if till == together_till then
    t[DUE] = till
    t[FLAGS] = t[FLAGS] + FLAG_GROUPED
    together[#together + 1] = t
  else
    schedule(t, till)
  end
  move(t, 'r')
end

local function schedule_together()
  if #together == 0 then return end
  if #together == 1 then
    schedule(together[1], together_till)
    together[1][PACKED] = encode(together[1])
    return
  end
  local members = {}
  for i = 1, #together do members[i] = together[i][MEMBER] end
  put(hset, key_lg, entry_id, table_concat(members))
  put(zadd, key_due, texts[together_till], '=' .. entry_id)
end

-- A ready task that cannot be leased now steps aside, to where its obstacle will find it again.
local function set_aside(t)
  if paused_any() and (is_paused('', project_of(t)) or is_paused(type_of(t), project_of(t))) then
    t[FLAGS] = t[FLAGS] + FLAG_PARKED
    touch(t)
    put(zadd, prefix .. 'pk:' .. project_of(t), texts[rank(t)], t[MEMBER])
    return true
  end
  if t[SPECIAL] ~= 0 and key_is_taken(t) then
    t[WAITS] = WAIT_KEY
    move(t, 'b', { reason = 'key taken' })
    put(zadd, prefix .. 'kw:' .. key_name(t), texts[rank(t)], t[MEMBER])
    return true
  end
  return false
end

-- The best of the few that this call has made ready, as its queue would have it: lowest rank first, then lowest number.
local function pop_at_hand(words)
  local best = 1
  for i = 3, #words, 2 do
    local a, b = tonumber(words[i]), tonumber(words[best])
    if a < b or (a == b and number_of(words[i + 1]) < number_of(words[best + 1])) then best = i end
  end
  table.remove(words, best)
  return { table.remove(words, best) }
end

-- At most so many, in order. One question and one answer for all requests of a queue: what the first of them leaves is for
-- those after it, or goes back.
local function pop(request, most)
  local words = at_hand[request.queue]
  if words then return #words > 0 and pop_at_hand(words) or words end
  local taken = ahead[request.queue]
  local first, n = taken.first, #taken.members
  if first > n and not taken.all then
    local wanted = math_max(most, math_min(taken.wanted, events_left()))
    taken.members, first = take_first(request.queue, wanted), 1
    n = #taken.members
    taken.all = n < wanted
    load(taken.members)
  end
  local last = math_min(n, first + most - 1)
  taken.first, taken.wanted = last + 1, taken.wanted - (last - first + 1)
  return { unpack(taken.members, first, last) }
end

local function take(request, leased)
  local aside = 0
  while #leased < request.max do
    local room = events_left()
    if room <= 0 then return request.max - #leased end
    local members = pop(request, math_min(request.max - #leased, room))
    if #members == 0 then return 0 end
    for i = 1, #members do
      local t = tasks[members[i]]
      if t and t[STATUS] == 'p' then
        if (t[SPECIAL] ~= 0 or paused_any()) and set_aside(t) then
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
  local key = prefix .. 'rq:' .. request.type .. '/' .. request.worker .. '/' .. request.id
  local stored = call('GET', key)
  if not stored then return key, false end
  local given, name = string_match(stored, '^(.*%z)(.*)$')
  local members, leases = {}, {}
  for member, lease in string_gmatch(stored, '(......)([^%z]*)%z') do
    members[#members + 1] = member
    leases[#leases + 1] = lease
  end
  load(members)
  for i = 1, #members do
    local t = tasks[members[i]]
    if t and t[STATUS] == 'r' and t[LEASE] == leases[i] then leased[#leased + 1] = t end
  end
  if name ~= request.name then call('SET', key, given .. request.name, 'EX', ARGV[6]) end
  return key, true
end

local function serve(request)
  local leased, key, known, lacking = {}, nil, false, 0
  if request.id ~= '' then key, known = take_again(request, leased) end
  if not known and not is_paused(request.type, '') then lacking = take(request, leased) end
  if key and not known and #leased > 0 then
    local words = {}
    for i = 1, #leased do words[i] = leased[i][MEMBER] .. leased[i][LEASE] .. '\0' end
    call('SET', key, table_concat(words) .. request.name, 'EX', ARGV[6])
  end
  return leased, lacking
end

-- What the leased tasks depend on that has completed, each once. inputs: the edges of each task. Whoever runs because all have
-- completed says so himself; of others the states are asked.
local function completed_of(all, inputs)
  local completed, unsure, seen = {}, {}, {}
  for i = 1, #all do
    local list, count = edges(inputs[i])
    for j = 1, 2 * count, 2 do
      local member = list[j]
      if not seen[member] then
        seen[member] = true
        local known = list[j + 1] == 'c' and all[i][POLICY] ~= 2 and completed or unsure
        known[#known + 1] = member
      end
    end
  end
  load(unsure)
  for i = 1, #unsure do
    if glance(unsure[i]) == 'c' then completed[#completed + 1] = unsure[i] end
  end
  return completed
end

-- The specifications of the leased tasks, and the results of what they depend on, in one question.
local function read_texts(members, completed)
  local fields, results, n = {}, {}, #members
  for i = 1, n do fields[i] = members[i] end
  for i = 1, #completed do
    local member, result = completed[i], fresh[completed[i]]
    if result then
      results[#results + 1] = member
      results[#results + 1] = result
    else
      fields[#fields + 1] = member
    end
  end
  local values = get_many(key_x, fields)
  for i = n + 1, #fields do
    local value = values[i]
    if value and string_byte(value) == RESULT then
      results[#results + 1] = fields[i]
      results[#results + 1] = value
    end
  end
  return values, results
end

local function errors_of(all)
  local members, list = {}, {}
  for i = 1, #all do
    if all[i][ATTEMPT] > 1 then members[#members + 1] = all[i][MEMBER] end
  end
  local values = get_many(prefix .. 'er', members)
  for i = 1, #members do
    if values[i] then
      list[#list + 1] = members[i]
      list[#list + 1] = values[i]
    end
  end
  return list
end

local function edges_of(all)
  local members, owners, bytes = {}, {}, {}
  for i = 1, #all do
    if all[i][DEGREE] > 0 then
      members[#members + 1] = all[i][MEMBER]
      owners[#owners + 1] = i
    end
  end
  local values = get_many(key_e, members)
  for i = 1, #owners do bytes[owners[i]] = values[i] end
  return bytes
end

local function parse_requests(from, count)
  local requests = {}
  for i = 1, count do
    local type, worker, max, lease_us, id, name =
      string_match(ARGV[from + i - 1], '^([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31?([^\31]*)$')
    requests[i] = { type = type, queue = prefix .. 'r:' .. type, worker = worker, max = tonumber(max),
      lease_us = tonumber(lease_us), id = id, name = name }
  end
  return requests
end

local function queues_of(requests)
  local queues = {}
  for i = 1, #requests do
    local queue = requests[i].queue
    queues[queue] = requests[i].type
    local taken = ahead[queue]
    if not taken then
      taken = { members = {}, first = 1, wanted = 0 }
      ahead[queue] = taken
    end
    taken.wanted = taken.wanted + requests[i].max
  end
  return queues
end

-- Those that nobody took stand in their queue after all; a queue that has none is as empty as it was.
local function put_back(queues)
  for key, taken in pairs(ahead) do
    for i = taken.first, #taken.members do
      local t = tasks[taken.members[i]]
      if t and t[STATUS] == 'p' then put(zadd, key, texts[rank(t)], t[MEMBER]) end
    end
  end
  for key, words in pairs(at_hand) do
    if #words == 0 then woken[queues[key]] = 'known' end
    for i = 1, #words, 2 do put(zadd, key, words[i], words[i + 1]) end
  end
end

local function lease_all(requests)
  local all, members, served, n, count = {}, {}, {}, 0, #requests
  for i = 1, count do
    local leased, lacking = serve(requests[i])
    served[i] = { leased, lacking }
    for j = 1, #leased do
      n = n + 1
      all[n] = leased[j]
      members[n] = leased[j][MEMBER]
    end
  end
  schedule_together()
  local bytes, inputs, at = edges_of(all), {}, 0
  for i = 1, n do inputs[i] = bytes[i] or '' end
  local specifications, results = read_texts(members, completed_of(all, inputs))
  for i = 1, count do
    local list = { texts[served[i][2]] }
    for j, t in ipairs(served[i][1]) do
      at = at + 1
      local last = 3 * j - 2
      list[last + 1], list[last + 2], list[last + 3] = t[PACKED] or encode(t), specifications[at] or '', inputs[at]
    end
    reply[#reply + 1] = list
  end
  reply[#reply + 1] = results
  return all
end

verb('work', function()
  reply, fresh, paused, ahead, together, together_till, let_go = { '' }, {}, nil, {}, {}, nil, {}
  local settles, renewals, requests, all = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), nil
  direct = ARGV[7]
  settle_all(8, settles)
  renew_all(8 + SETTLE_WORDS * settles, renewals)
  if requests > 0 then
    local wishes = parse_requests(8 + SETTLE_WORDS * settles + renewals, requests)
    local queues = queues_of(wishes)
    flush_queues(queues)
    all = lease_all(wishes)
    put_back(queues)
  end
  reply[1] = commit()
  if all then reply[#reply + 1] = errors_of(all) end -- some may be of this call
  if direct then reply[#reply + 1] = direct end
  return reply
end)
