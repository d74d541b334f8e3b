-- Forget jobs, each wherever it stands.
-- ARGV: 1 when an active job is an error (0: skip it), a state that each must be in or '', then ids
-- Returns the ids removed, or {'active', id}.
local gone = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local key = JOB .. id
  local job = redis.call('HMGET', key, 'status', 'mq')
  local status = job[1]
  if status and (ARGV[2] == '' or ARGV[2] == status) then
    if status == 'started' then
      if ARGV[1] == '1' then return {'active', id} end
    else
      if status == 'queued' then
        redis.call('LREM', KEYS[level_of(job[2])], 1, id)
      elseif status == 'scheduled' then
        redis.call('ZREM', KEYS[9], id)
      else
        redis.call('ZREM', KEYS[7], id)
        redis.call('ZREM', KEYS[8], id)
        redis.call('ZREM', KEYS[13], id)
      end
      forget(id)
      gone[#gone + 1] = id
    end
  end
end
return gone
