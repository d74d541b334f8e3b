-- Move one job by an operator's hand.
-- ARGV: id, what to do (retry, promote, priority, progress), argument
-- Returns 'ok', 'unknown', or the status that does not allow it.
local id, action = ARGV[1], ARGV[2]
local key = JOB .. id
local job = redis.call('HMGET', key, 'status', 'mq')
local status, packed = job[1], job[2]
if not status then return 'unknown' end
if action == 'retry' then
  if status ~= 'failed' then return status end
  redis.call('ZREM', KEYS[8], id)
  redis.call('ZREM', KEYS[13], id)
  redis.call('HDEL', key, 'mq_runs', 'mq_stalls', 'exc_info', 'ended_at', 'worker_name')
  push(id, level_of(packed))
  wake()
elseif action == 'promote' then
  if status ~= 'scheduled' then return status end
  redis.call('ZREM', KEYS[9], id)
  push(id, level_of(packed))
  wake()
elseif action == 'priority' then
  if status ~= 'queued' and status ~= 'scheduled' then return status end
  local from, to = level_of(packed), LEVELS[ARGV[3]]
  if from ~= to then
    redis.call('HSET', key, 'mq', (string.gsub(packed, '^%d+', ARGV[3])))
    if status == 'queued' then
      redis.call('LREM', KEYS[from], 1, id)
      redis.call('RPUSH', KEYS[to], id)
    end
  end
elseif action == 'progress' then
  if status ~= 'started' then return status end
  redis.call('HSET', key, 'mq_progress', ARGV[3])
end
return 'ok'
