-- Return jobs whose lease has lapsed to the front of their level, or end them at the crash limit;
-- forget ended jobs that have outlived their age; promote nothing.
-- ARGV: crash limit, reason of such an end, error of a stalled attempt as JSON, how many at most
-- Returns {jobs moved, jobs forgotten}.
-- Promise: safe from any process at any time; a stall costs no attempt.
local most = tonumber(ARGV[4])
local lapsed = redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', decimal(now + FAR), 'LIMIT', 0, most)
-- In the order in which they were taken: a beat gives all jobs of a worker one end. See the token in reserve().
local function taken(entry)
  local at, rest = string.match(entry, ':(%d+)%-(%d+)$')
  return at or '', tonumber(rest) or 0
end
table.sort(lapsed, function(a, b)
  local at_a, rest_a = taken(a)
  local at_b, rest_b = taken(b)
  if at_a == at_b then return rest_a > rest_b end
  return at_a < at_b
end)
for i = #lapsed, 1, -1 do
  redis.call('ZREM', KEYS[6], lapsed[i])
  local id = string.match(lapsed[i], '^(.*):[^:]*$')
  local key = JOB .. id
  -- A job that RQ itself enqueued has no options of ours.
  local job = redis.call('HMGET', key, 'data', 'mq')
  local packed = job[2] or ''
  if job[1] then
    note(id, '[' .. (redis.call('HGET', key, 'mq_runs') or '0') .. ',0,' .. ARGV[3] .. ']')
    redis.call('HINCRBY', key, 'mq_runs', -1)
    if redis.call('HINCRBY', key, 'mq_stalls', 1) >= tonumber(ARGV[1]) then
      redis.call('HSET', key, 'status', 'failed', 'ended_at', stamp, 'exc_info', ARGV[2])
      redis.call('HINCRBY', KEYS[12], 'failed', 1)
      local count, age = string.match(packed, '|(%d*)a?(%d*)$')
      count, age = count or '50', age or ''
      keep(8, id, count, age)
      if (tonumber(count) or 0) > 0 then trim(8, tonumber(count)) end
    else
      redis.call('HDEL', key, 'worker_name')
      push(id, level_of(packed), true)
    end
    redis.call('HINCRBY', KEYS[12], 'stalled', 1)
  end
end
if #lapsed > 0 then wake() end
local old = redis.call('ZRANGEBYSCORE', KEYS[13], '-inf', decimal(now), 'LIMIT', 0, most)
for _, id in ipairs(old) do
  redis.call('ZREM', KEYS[13], id)
  if redis.call('ZREM', KEYS[7], id) + redis.call('ZREM', KEYS[8], id) > 0 then forget(id) end
end
return {#lapsed, #old}
