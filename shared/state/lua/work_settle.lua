-- Settles and renewals, before work.lua: what workers say of leases that they hold, and what dispatchers give back.

local SETTLE_WORDS = 6
local reply
local fresh -- member -> "=" task_id US result of what this call completed: not written yet when its dependents are leased

-- Where tasks have left Redis, one that is not here may well exist: then it has ended, and its lease with it.
local function absent()
  return evicted > 0 and 'stale_lease' or 'not_found'
end

local function is_named(t, project, task_id)
  local fixed, after = t[FIXED], t[GROUP_BYTES] + 1
  return string_find(fixed, project, 1, true) == 1 and string_find(fixed, task_id, after, true) == after
end

-- The lease named another task, or none that is here.
local function settle_unknown(project, task_id)
  local name = string_sub(project, 1, -2) .. '/' .. string_sub(task_id, 2, -2)
  local member = call('HGET', key_id, name)
  return member and string_byte(member) ~= RESERVED and 'stale_lease' or absent()
end

-- Who asked by this request id for the last time holds its tasks; when it is he whose answer never went out, nobody does, and
-- who asks by it from now on gets tasks anew.
local let_go -- holder -> whether nobody holds them
local function is_let_go(holder)
  if holder == '' then return true end
  if let_go[holder] == nil then
    local wish, name = string_match(holder, '^([^\31]*)\31([^\31]*)$')
    local key = prefix .. 'rq:' .. wish
    local stored = call('GET', key)
    let_go[holder] = not stored or string_match(stored, '^.*%z(.*)$') == name
    if stored and let_go[holder] then call('DEL', key) end
  end
  return let_go[holder]
end

local function settle_one(t, project, task_id, lease, outcome, said)
  if not t or not is_named(t, project, task_id) then return settle_unknown(project, task_id) end
  if t[LEASE] ~= lease or lease == '' then return 'stale_lease' end -- guard: settle-token
  if t[STATUS] ~= 'r' then
    -- Said before: the same answer. But a result that comes after a release or a failure counts for nothing, and must not seem to.
    return (outcome ~= 'c' or t[STATUS] == 'c' or t[STATUS] == 'x') and t[STATUS] or 'stale_lease'
  end
  if outcome == 'c' and t[FLAGS] % 2 ~= FLAG_CANCEL then
    finish(t, 'c', nil, said)
    local n = #payloads
    payloads[n + 1], payloads[n + 2] = t[MEMBER], said -- the specification makes room for the result
    fresh[t[MEMBER]] = said
    if t[ATTEMPT] > 1 then mended[#mended + 1] = t[MEMBER] end
  elseif (outcome == 'r' or outcome == 'u') and t[FLAGS] % 2 ~= FLAG_CANCEL then
    if outcome == 'u' and not is_let_go(said) then return t[STATUS] end
    leave_queues(t)
    t[READY] = now
    make_ready(t, { reason = outcome == 'r' and 'released by its worker' or 'given back: no worker was told' })
  else
    end_try(t, outcome ~= 'n', 'task_error', outcome ~= 'c' and said or '')
  end
  return t[STATUS]
end

local function settle_all(from, count)
  if count == 0 then return end
  local members = {}
  for i = 1, count do members[i] = ARGV[from + SETTLE_WORDS * (i - 1)] end
  load(members)
  for i = 1, count do
    local at = from + SETTLE_WORDS * (i - 1)
    reply[1 + i] = settle_one(tasks[ARGV[at]], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5])
  end
end

local function renew_one(t, lease, lease_us)
  if not t then return absent() end
  if t[STATUS] ~= 'r' or t[LEASE] ~= lease then return 'stale_lease' end
  local timeout, till = constants_of(t).timeout, now + lease_us
  if timeout > 0 then till = math_min(till, t[STARTED] + timeout) end
  schedule(t, till)
  touch(t)
  return texts[till] .. US .. (t[FLAGS] % 2 == FLAG_CANCEL and '1' or '0')
end

local function renew_all(from, count)
  if count == 0 then return end
  local names, leases, times = {}, {}, {}
  for i = 1, count do
    names[i], leases[i], times[i] = string_match(ARGV[from + i - 1], '^([^\31]*)\31([^\31]*)\31([^\31]*)$')
  end
  local found = find(names)
  for i = 1, count do
    reply[#reply + 1] = renew_one(tasks[found[names[i]] or 0], leases[i], tonumber(times[i]))
  end
end
