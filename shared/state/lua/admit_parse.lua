-- What admit.lua is given (its header says in what form), and what it needs to know of that. Stands before it, in the same block.

local GS = '\29'

-- What the caller (shared/state/admit_record.c) packs: priority, policy (0 skip, 1 block, 2 run), held (0, 1), fresh (1: its
-- id was generated for this submission), special and group bytes (prelude_data.lua), not_before_us, how many dependencies; then
-- a letter each: its condition, in upper case when it may come later.
local RECORD = '>BBBBBBI7H'
local LETTERS_AT = 15 -- before the first letter
local DEPENDENCY_COUNT = '>H'
local COUNT_AT = 14
local AT_NAME, AT_RECORD, AT_FIXED, AT_SPECIFICATION = 0, 1, 2, 3
local RECORD_WORDS = 4
local MOST_VISITED = 20000 -- tasks looked at for loops through earlier submissions, of one submission

-- A record is the place of its name in ARGV; these say where its dependencies end and what they are.
local needs    -- place -> how many
local known_as -- place -> the member of the task that has its id already
local left_by, left_to -- whoever has been here and is not here now has left by this seq, and in this call or before
local ids      -- name -> member, "@token", or nil; what the id hash says, and what this call adds
local awaited  -- name -> the edges of tasks that wait for it to come: flat, as edges() makes them
local new_parents -- member of a new task -> its edges, written at the end: one that comes later in the call adds to them

local function id_of(name)
  return (string_match(name, '/(.*)$'))
end

local function is_member(value) return value and string_byte(value) ~= RESERVED end
local function need_name(r, i) return ARGV[r + AT_SPECIFICATION + i] end
local function need_letter(r, i)
  local letter = string_sub(ARGV[r + AT_RECORD], LETTERS_AT + i, LETTERS_AT + i)
  local condition = string_lower(letter)
  return condition, letter ~= condition
end
local function is_fresh(r) return string_byte(ARGV[r + AT_RECORD], 4) == 1 end

local function parse_ghost(text)
  local f = {}
  for field in string_gmatch(text .. US, '([^\31]*)\31') do f[#f + 1] = field end
  return { member = member_of(tonumber(f[1])), task_id = f[2], type = f[3], batch = f[4], status = f[5],
    version = tonumber(f[6]), hash = f[7], created = tonumber(f[8]), ended = tonumber(f[9]), seq = tonumber(f[10]),
    attempt = tonumber(f[11]), result = table_concat(f, US, 12) }
end

local function parse_submissions()
  local list, at = {}, 3
  while at <= #ARGV do
    local s = { project = ARGV[at], batch = ARGV[at + 1], mode = ARGV[at + 2], token = ARGV[at + 3],
      looked = ARGV[at + 4], records = {}, ghosts = {} }
    local records, ghost_count = s.records, tonumber(ARGV[at + 6])
    local count = tonumber(ARGV[at + 5])
    at = at + 7
    for i = 1, count do
      records[i] = at
      local degree = unpack_struct(DEPENDENCY_COUNT, ARGV[at + AT_RECORD], COUNT_AT)
      needs[at] = degree
      at = at + RECORD_WORDS + degree
    end
    for i = 0, ghost_count - 1 do
      local ghost = parse_ghost(ARGV[at + i])
      s.ghosts[s.project .. '/' .. ghost.task_id] = ghost
    end
    at = at + ghost_count
    list[#list + 1] = s
  end
  return list
end

-- Reads everything the verdicts need, each structure once.
local function look(submissions)
  local names, new_names, seen, n = {}, {}, {}, 0
  for _, s in ipairs(submissions) do
    local records = s.records
    for k = 1, #records do
      local r = records[k]
      new_names[#new_names + 1] = ARGV[r]
      for i = r, r + AT_SPECIFICATION + needs[r] do
        if (i == r or i > r + AT_SPECIFICATION) and not seen[ARGV[i]] then
          seen[ARGV[i]] = true
          n = n + 1
          names[n] = ARGV[i]
        end
      end
    end
  end
  local values, members = get_many(key_id, names), {}
  for i = 1, n do
    local value = values[i]
    if value then
      ids[names[i]] = value
      if is_member(value) then members[#members + 1] = value end
    end
  end
  load(members)
  if call('EXISTS', prefix .. 'fw') == 1 then
    local bytes, waiters = get_many(prefix .. 'fw', new_names), {}
    for i = 1, #new_names do
      if bytes[i] then
        local list, count = edges(bytes[i])
        awaited[new_names[i]] = list
        add_ends(waiters, list, count)
      end
    end
    load(waiters)
  end
end
