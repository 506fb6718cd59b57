-- Lets ended tasks leave Redis: those that ended long enough ago, whose last event is in the database, and whose
-- dependents have all ended (they may still need its result).
--
-- ARGV[3]  how long an ended task stays, microseconds     ARGV[4]  at most so many are looked at
-- Returns  head, how many left, whether it is worth calling again at once (0, 1)
-- Cost: O(1) a task and a dependent.

local MOST_DEPENDENTS = 2000 -- looked at for one task; one with more stays until the next time

local keep_us, most = tonumber(ARGV[3]), tonumber(ARGV[4])
local queue = call('LRANGE', prefix .. 'fin', 0, most - 1)
local numbers = numbers_of(queue, 1)

local function dependents_ended(n)
  local bytes = call('GETRANGE', prefix .. 'd:' .. texts[n], 0, MOST_DEPENDENTS * EDGE_BYTES - 1)
  if #bytes == 0 then return true end
  if #bytes == MOST_DEPENDENTS * EDGE_BYTES then return false end
  local children = {}
  add_ends(children, edges(bytes))
  load(children)
  for _, child in ipairs(children) do
    if tasks[child] and not FINAL[tasks[child][STATUS]] then return false end
  end
  return true
end

local looked, kept, gone, fields, names = 0, {}, 0, {}, {}
for i = 1, #numbers do
  local t = tasks[numbers[i]]
  if t and FINAL[t[STATUS]] then
    if t[STARTED] + keep_us > now then break end
    if t[SEQ] <= trim_seq and t[FLAGS] % 4 < FLAG_RELEASING and dependents_ended(numbers[i]) then
      gone = gone + 1
      fields[gone] = texts[numbers[i]]
      names[gone] = name_of(t)
      tasks[numbers[i]] = nil
      call('DEL', prefix .. 'd:' .. fields[gone])
    else
      kept[#kept + 1] = queue[i]
    end
  end
  looked = i
end
if looked > 0 then
  call('LTRIM', prefix .. 'fin', looked, -1)
  call_many('RPUSH', prefix .. 'fin', kept)
end
call_many('HDEL', prefix .. 't', fields)
call_many('HDEL', prefix .. 'x', fields)
call_many('HDEL', prefix .. 'e', fields)
call_many('HDEL', prefix .. 'id', names)
if gone > 0 then call('HINCRBY', prefix .. 'm', 'evicted', gone) end
return { commit(), tostring(gone), (looked == most and gone > 0) and '1' or '0' }
