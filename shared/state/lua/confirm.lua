-- For waiters whose mark was lost on the way: is their entry in the log?
--
-- ARGV[3..]  seq and id of an entry, alternating
-- Returns    head, and for each: ok (it is in the log), wait (not yet), lost (this Redis does not have it: ask again)
-- Cost: O(log n) an entry.

verb_alone('confirm', function()
  local reply = { '' }
  for i = 3, #ARGV, 2 do
    local seq, verdict = tonumber(ARGV[i]), 'lost'
    if seq > trim_seq then
      if entry_id_at(seq) == ARGV[i + 1] then verdict = seq <= mark_seq and 'ok' or 'wait' end -- guard: mark-by-id
    end
    reply[#reply + 1] = verdict
  end
  reply[1] = unchanged_head()
  return reply
end)
