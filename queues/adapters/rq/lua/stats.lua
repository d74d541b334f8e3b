-- Count a queue's jobs at one instant, in constant time; write nothing.
-- Returns {now, waiting, active, completed, failed, delayed, paused, entry times of the lists' heads}.
local waiting, heads = 0, {}
for level = 1, 5 do
  waiting = waiting + redis.call('LLEN', KEYS[level])
  local id = redis.call('LINDEX', KEYS[level], 0)
  if id then
    local at = redis.call('HMGET', JOB .. id, 'enqueued_at', 'created_at')
    heads[#heads + 1] = at[1] or at[2] or ''
  end
end
return {decimal(now), waiting, redis.call('ZCARD', KEYS[6]), redis.call('ZCARD', KEYS[7]),
  redis.call('ZCARD', KEYS[8]), redis.call('ZCARD', KEYS[9]), redis.call('EXISTS', KEYS[10]), heads}
