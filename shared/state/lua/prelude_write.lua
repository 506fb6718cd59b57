-- How a call ends, after prelude_moves.lua: what it has decided is written, each structure once.

-- So that no command has more words than Lua's stack holds: the pairs of a part of the events as one text, each text after
-- its length. Such a text stands after an empty one.
local function join_events()
  local each, joined = 2 * math.ceil(event_words / CHUNK), {}
  for first = 1, event_words, each do
    local part = {}
    for i = first, math_min(first + each - 1, event_words) do
      part[#part + 1] = pack('>I4', #events[i])
      part[#part + 1] = events[i]
    end
    joined[#joined + 1] = ''
    joined[#joined + 1] = table_concat(part)
  end
  events, event_words = joined, #joined
end

-- An entry of the stream: "h" and the header (record.h, and the time of all its events), then each event's two texts as a
-- field and its value. "d" instead: the caller appends it to the log, and the relay only if that does not happen. So it is with
-- a small entry right behind the log's last one: the caller is awake, and the relay is not.
local function write_outbox()
  local kind = direct ~= '' and direct == last_id and event_bytes <= SMALL_BYTES and 'd' or 'h'
  direct = nil
  if event_words == 0 then return end
  local seq = texts[last_seq]
  local header = table_concat({ entry_id, last_id, texts[first_seq], seq, epoch, now_text }, US)
  if event_words > CHUNK then join_events() end
  if kind == 'd' then direct = { kind, header, unpack(events, 1, event_words) } end
  call('XADD', key_ob, seq .. '-0', kind, header, unpack(events, 1, event_words))
  if event_bytes > SMALL_BYTES then call('XADD', prefix .. 'oi', seq .. '-0', 'i', entry_id) end
  call('HSET', key_m, 'seq', seq, 'id', entry_id, 'us', now_text)
end

-- Writes the queues, so that what has become ready can be leased in this same call. wanted: ready queues, by key, of which
-- that is likely: a few tasks of one that was empty go to `at_hand`, and not to a queue that they would leave again at once.
local AT_HAND = 8
local function flush_queues(wanted)
  for key, bytes in pairs(append) do call('APPEND', key, table_concat(bytes)) end
  append = {}
  tell_dependents()
  promote_waiters()
  for key, words in pairs(zrem) do call_many('ZREM', key, words) end
  for type, known in pairs(woken) do
    if known == true then woken[type] = call('EXISTS', prefix .. 'r:' .. type) == 0 and 'was empty' or 'known' end
  end
  for key, words in pairs(zadd) do
    local type = wanted and wanted[key]
    if type and woken[type] == 'was empty' and #words <= 2 * AT_HAND then
      at_hand[key] = words
    else
      call_many('ZADD', key, words)
    end
  end
  zrem, zadd = {}, {}
end

local function write_states()
  local words, n = {}, 0
  for i = 1, #changed do
    local t = changed[i]
    words[n + 1], words[n + 2] = t[MEMBER], t[PACKED] or encode(t)
    n = n + 2
  end
  for member in pairs(recounted) do
    local t = rawget(tasks, member)
    if not (t and t[TOUCHED]) then
      words[n + 1], words[n + 2] = member, states[member]
      n = n + 2
    end
  end
  call_many('HSET', key_t, words)
  local free = {}
  for name, running in pairs(held) do
    if running > 0 then put(hset, prefix .. 'k', name, texts[running]) else free[#free + 1] = name end
  end
  call_many('HDEL', prefix .. 'k', free)
  for key, words in pairs(hset) do call_many('HSET', key, words) end
  for key, bytes in pairs(append_untold) do call('APPEND', key, table_concat(bytes)) end
  for name, list in pairs(coming) do -- may be long: once a call
    call('HSET', prefix .. 'fw', name, (call('HGET', prefix .. 'fw', name) or '') .. table_concat(list))
  end
  call_many('HSET', key_id, new_ids)
  call_many('HSET', key_x, payloads)
  call_many('HDEL', prefix .. 'er', mended)
  if #finished > 0 then
    local items = {}
    for i = 1, #finished, FIN_MEMBERS do
      items[#items + 1] = table_concat(finished, '', i, math_min(i + FIN_MEMBERS - 1, #finished))
    end
    call_many('RPUSH', key_fin, items)
  end
  call_many('RPUSH', prefix .. 'rel', told_later)
  for _, group in pairs(groups) do
    for letter, by in pairs(group.counts) do
      if by ~= 0 then call('HINCRBY', prefix .. 'c', group.project .. '/' .. group.type .. '/' .. letter, by) end
    end
  end
end

-- Ends the call: tells dependents, moves waiters up, writes everything. Returns the head of the reply.
local function commit()
  flush_queues()
  write_states()
  write_outbox()
  if event_words == 0 and next(woken) == nil and not more then return unchanged_head() end
  local types = {}
  for type, known in pairs(woken) do
    if known == 'was empty' and call('EXISTS', prefix .. 'r:' .. type) == 1 then types[#types + 1] = type end
  end
  local wait = event_words > 0 and entry_id or (last_seq > mark_seq and last_id or '')
  return head(wait, more, table_concat(types, ' '))
end
