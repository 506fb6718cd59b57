-- Says how far the log has come, and how far the database: entries up to the mark are told to clients, entries up to the
-- trim are in the database and leave the outbox.
--
-- ARGV[3], [4]  seq and id of the last entry of the log ("" : unchanged)
-- ARGV[5], [6]  seq and id of the database's position ("" : unchanged)
-- ARGV[7]       who leads the relay no longer: `rl` goes if it is his (absent: nobody says so)
-- Returns  head, and "ok" or "stale" (this Redis has another entry of that number: it has diverged from the log)
-- Cost: O(log n), and O(1) an entry trimmed.

verb_alone('mark', function()
  local mark, trim = tonumber(ARGV[3]), tonumber(ARGV[5])
  local verdict = 'ok'
  if mark and mark > mark_seq then
    if entry_id_at(mark) ~= ARGV[4] then return { unchanged_head(), 'stale' } end
    mark_seq = mark
    call('HSET', key_m, 'mark', texts[mark])
  end
  if trim and trim > trim_seq then
    if trim > mark_seq or entry_id_at(trim) ~= ARGV[6] then
      verdict = 'stale'
    else
      call('XTRIM', key_ob, 'MINID', texts[trim + 1] .. '-0')
      call('XTRIM', prefix .. 'oi', 'MINID', texts[trim + 1] .. '-0')
      call('HSET', key_m, 'trim', texts[trim], 'trimid', ARGV[6])
    end
  end
  if ARGV[7] and call('GET', prefix .. 'rl') == ARGV[7] then call('DEL', prefix .. 'rl') end
  return { unchanged_head(), verdict }
end)
