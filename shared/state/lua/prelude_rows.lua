-- A task from its row in the database, for load.lua and command.lua.
--
-- text   number US project US task_id US task_type US batch_id US status US priority US flags US
--        waits US retries US version US attempt US created US ready US due US started (or ended) US seq US worker US
--        lease US because US lease grace us US error code US error message US specification or, for a completed one, "=hash US result"
--        flags: 1 when a cancel was asked for, and 16 for each worker it has lost

local row_task
do
  local LETTER_BITS = { d = WAIT_DEPENDENCY, t = WAIT_TIME, a = WAIT_APPROVAL, k = WAIT_KEY }
  local POLICIES = { s = 0, b = 1, r = 2 }
  local SPECIFICATION = '^([^\31]*)\31([^\31]*)\31([^\31]*)\31[^\31]*\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31[^\31]*\31[^\31]*\31([^\31]*)\31([^\31]*)\31'

  local DEFAULT_TEXT = table_concat({ '3', '', '1', '', '', '' }, US)

  local function numeric(text)
    return tonumber(text) or 0
  end

  local function flags_of(given)
    return given % LOST_ONE + LOST_ONE * math_min(LOST_MOST, math.floor(given / LOST_ONE))
  end

  -- Returns the task, its lease's grace, what `x` holds of it, and what `er` does; nil: no try has failed.
  function row_task(text)
    local f, at = {}, 1
    for i = 1, 23 do
      local stop = string_find(text, US, at, true)
      f[i] = string_sub(text, at, stop - 1)
      at = stop + 1
    end
    local bytes, waits = string_sub(text, at), 0
    for letter in string_gmatch(f[9], '.') do waits = waits + LETTER_BITS[letter] end
    local flags, max_retries, timeout, backoff, key, limit, hash, trace, dependencies = string_match(bytes, SPECIFICATION)
    if f[6] == 'c' then
      flags, max_retries, timeout, backoff, key, limit, trace, dependencies = 's', '3', '', '', '', '1', '', ''
      hash, bytes = string_match(bytes, '^=([^\31]*)\31(.*)$')
      bytes = '=' .. f[3] .. US .. bytes
    end
    local _, degree = string.gsub(dependencies, '[^,]+', '')
    local its = table_concat({ max_retries, timeout, limit, backoff, key, string_match(flags, 'o(%d+)') or '' }, US)
    if its == DEFAULT_TEXT then its = '' end
    local fixed = table_concat({ f[2], f[4], f[3], f[5], trace }, US) .. RS .. its .. RS .. hash
    local t = blank(member_of(tonumber(f[1])), f[6], fixed, #f[2] + 1 + #f[4])
    t[PRIORITY], t[FLAGS], t[WAITS], t[POLICY] = tonumber(f[7]), flags_of(numeric(f[8])), waits, POLICIES[string_match(flags, '[sbr]') or 's']
    t[RETRIES], t[DEGREE], t[VERSION], t[ATTEMPT] = numeric(f[10]), degree, numeric(f[11]), numeric(f[12])
    t[CREATED], t[READY], t[DUE], t[STARTED], t[SEQ] = numeric(f[13]), numeric(f[14]), numeric(f[15]), numeric(f[16]), numeric(f[17])
    t[SPECIAL] = its ~= '' and 1 or 0
    t[WORKER], t[LEASE], t[BECAUSE] = f[18], f[19], f[20]
    return t, tonumber(f[21]), bytes, f[22] ~= '' and f[22] .. US .. f[23] or nil
  end
end
