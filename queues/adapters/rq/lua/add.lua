-- Add jobs: all of them or none.
-- ARGV: queue name, rq:queues member, number of jobs, then for each job
--       id, data, length of the part of data that says what the job does, level 1..5,
--       delay in ms, RQ's timeout in seconds, packed options
-- Returns {now, then for each job 0 added, 1 already there, 2 already there from this very call},
--         or {'conflict', index of the job from 0} when an id is known with another name or data.
-- Promise: one call, so a job is wholly there or not at all; safe to send twice.
local n = tonumber(ARGV[3])
local seen = {}
local states = {}
for i = 0, n - 1 do
  local a = 4 + i * 7
  local id, data, length = ARGV[a], ARGV[a + 1], tonumber(ARGV[a + 2])
  local there = seen[id] or redis.call('HGET', JOB .. id, 'data')
  if there then
    if string.sub(there, 1, length) ~= string.sub(data, 1, length) then return {'conflict', i} end
    states[i] = (there == data and not seen[id]) and 2 or 1
  else
    states[i] = 0
    seen[id] = data
  end
end
-- A microsecond apart, so that the jobs of one call keep its order wherever times decide.
local second, micro = string.sub(stamp, 1, 20), tonumber(string.sub(stamp, 21, 26))
local function created(i)
  if micro + i > 999999 then return iso(now + i / 1000000) end
  return second .. string.format('%06dZ', micro + i)
end
local out = {decimal(now)}
local added = false
for i = 0, n - 1 do
  if states[i] == 0 then
    local a = 4 + i * 7
    local id, delay = ARGV[a], tonumber(ARGV[a + 4])
    redis.call('HSET', JOB .. id, 'created_at', created(i), 'data', ARGV[a + 1], 'origin', ARGV[1],
      'status', delay > 0 and 'scheduled' or 'queued', 'timeout', ARGV[a + 5], 'mq', ARGV[a + 6])
    if delay > 0 then
      schedule(id, now + delay / 1000 + i / 1000000)
    else
      redis.call('RPUSH', KEYS[tonumber(ARGV[a + 3])], id)
      added = true
    end
  end
  out[#out + 1] = states[i]
end
redis.call('SADD', 'rq:queues', ARGV[2])
if added then wake() end
return out
