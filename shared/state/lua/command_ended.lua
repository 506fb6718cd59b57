-- Ended tasks that come back from the database, so that they can run again, and what they depend on. Stands before command.lua,
-- after command_retry.lua, in the same block.

-- What came back with its end alone (revive() in admit.lua) becomes again what it was.
local function fill_in(here, t, bytes, failed)
  if not here or here[STATUS] ~= t[STATUS] or here[VERSION] ~= t[VERSION] or not is_remnant(here) then return here end
  t[FLAGS], t[LEFT] = here[FLAGS] % LOST_ONE + t[FLAGS] - t[FLAGS] % LOST_ONE, here[LEFT]
  tasks[t[MEMBER]] = t
  touch(t)
  call('HSET', key_x, t[MEMBER], bytes)
  if failed then put(hset, prefix .. 'er', t[MEMBER], failed) end
  heads[t[MEMBER]] = nil -- to be read again
  return t
end

-- text: its row (prelude_rows.lua). Returns the task as Redis knows it then; nil when that is for somebody else to say.
local function bring_back(text)
  local t, _, bytes, failed = row_task(text)
  local name = name_of(t)
  local known = call('HGET', key_id, name)
  if known and string_byte(known) == RESERVED or not FINAL[t[STATUS]] then return nil end
  if known then
    load({ known })
    if t[STATUS] == 'c' then return nil end
    return fill_in(tasks[known], t, bytes, failed)
  end
  states[t[MEMBER]], tasks[t[MEMBER]] = false, t
  touch(t)
  finished[#finished + 1] = t[MEMBER]
  call('HSET', key_id, name, t[MEMBER])
  call('HSET', key_x, t[MEMBER], bytes)
  if failed then put(hset, prefix .. 'er', t[MEMBER], failed) end
  return t[STATUS] ~= 'c' and t or nil
end

-- To those of its dependencies that are here, if it has ended; what it still lacks, is_whole() sees.
local function join_again(t)
  if not FINAL[t[STATUS]] then return end
  local bytes = call('HGET', key_e, t[MEMBER]) or ''
  for letter, id in string_gmatch(dependencies_of(t), '(%a)([^,]+)') do
    local member = call('HGET', key_id, project_of(t) .. '/' .. id)
    if member and string_byte(member) ~= RESERVED then
      local edge = member .. string_lower(letter)
      if not has_edge(bytes, edge) then bytes = bytes .. edge end
    end
  end
  if bytes ~= '' then call('HSET', key_e, t[MEMBER], bytes) end
  be_known(t)
end

-- rows: by, to and text of each, by threes; dependencies may stand behind those who depend on them.
local function bring_all_back(rows)
  local came = {}
  for i = 1, #rows, 3 do
    if is_sure(rows[i], rows[i + 1]) then came[#came + 1] = bring_back(rows[i + 2]) end
  end
  for i = 1, #came do join_again(came[i]) end
end
