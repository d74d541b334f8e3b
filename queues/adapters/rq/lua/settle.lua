-- End runs, and lease the next jobs in the same call.
-- ARGV: how many to reserve, lease in seconds, worker name, one in how many from the lowest level,
--       number of groups, then for each group of runs that end alike
--       outcome (c complete, f fail, r retry, l release), wait before the retry in ms,
--       1 when the run costs an attempt, retention count or '', retention age in ms or '',
--       1 when texts follow, number of runs, then for each run
--       id, token and, when texts follow, result or error, log entry or ''
-- Returns {indexes from 0 of the refused runs in the order given, what reserve() returns}.
-- Promise: only the holder of a lease ends its run; everything of a run is written or nothing.
local refused = {}
local totals = {c = 0, f = 0, r = 0, l = 0}
local index, at = -1, 6

local function finish(id, key, group, text)
  if group.outcome == 'c' then
    if group.count == '0' then return forget(id) end
    if text ~= 'null' then
      redis.call('HSET', key, 'status', 'finished', 'ended_at', stamp, 'result', text)
    else
      redis.call('HSET', key, 'status', 'finished', 'ended_at', stamp)
    end
    keep(7, id, group.count, group.age)
  elseif group.outcome == 'f' then
    redis.call('HSET', key, 'status', 'failed', 'ended_at', stamp, 'exc_info', text)
    keep(8, id, group.count, group.age)
  elseif group.outcome == 'r' then
    redis.call('HSET', key, 'status', 'scheduled', 'ended_at', stamp, 'enqueued_at', stamp)
    redis.call('HDEL', key, 'worker_name')
    schedule(id, now + group.wait)
  else
    redis.call('HDEL', key, 'worker_name')
    push(id, level_of(redis.call('HGET', key, 'mq')), true)
  end
end

for _ = 1, tonumber(ARGV[5]) do
  local group = {outcome = ARGV[at], wait = tonumber(ARGV[at + 1]) / 1000, count = ARGV[at + 3], age = ARGV[at + 4]}
  local free, texts, size = ARGV[at + 2] == '0', ARGV[at + 5] == '1', tonumber(ARGV[at + 6])
  local width = texts and 4 or 2
  local ended = false
  at = at + 7
  for run = at, at + (size - 1) * width, width do
    index = index + 1
    local id = ARGV[run]
    local key = JOB .. id
    if redis.call('ZREM', KEYS[6], id .. ':' .. ARGV[run + 1]) == 0 then
      refused[#refused + 1] = index
    elseif redis.call('EXISTS', key) == 1 then
      if texts and ARGV[run + 3] ~= '' then note(id, ARGV[run + 3]) end
      if free then redis.call('HINCRBY', key, 'mq_runs', -1) end
      finish(id, key, group, texts and ARGV[run + 2] or 'null')
      totals[group.outcome] = totals[group.outcome] + 1
      ended = true
    end
  end
  at = at + size * width
  local limit = ended and group.age == '' and tonumber(group.count)
  if limit and limit > 0 and group.outcome == 'c' then trim(7, limit) end
  if limit and limit > 0 and group.outcome == 'f' then trim(8, limit) end
end
if totals.c > 0 then redis.call('HINCRBY', KEYS[12], 'completed', totals.c) end
if totals.f > 0 then redis.call('HINCRBY', KEYS[12], 'failed', totals.f) end
if totals.l > 0 then wake() end
if ARGV[1] == '0' then return {refused, {decimal(now), ''}} end
return {refused, reserve(tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]))}
