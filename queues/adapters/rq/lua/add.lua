-- Add jobs: all of them or none.
-- ARGV: queue name, rq:queues member, number of groups, then for each group of successive jobs
--       that are to be run alike
--       level 1..5, delay in ms, RQ's timeout in seconds, packed options, number of jobs, then for each job
--       id, data, length of the part of data that says what the job does
-- Returns {now, then for each job that was there: its index from 0, 1 or, when it is there from this
--         very call sent once before, 2}, or {'conflict', index} for an id known with another name or data.
-- Promise: one call, so a job is wholly there or not at all; safe to send twice.
local known, seen = {}, {}
local index = -1

local function each(visit)
  local at = 4
  index = -1
  for _ = 1, tonumber(ARGV[3]) do
    local first, last = at + 5, at + 4 + 3 * tonumber(ARGV[at + 4])
    for job = first, last, 3 do
      index = index + 1
      if visit(at, job) == false then return false end
    end
    at = last + 1
  end
end

local function check(_, job)
  local id, data = ARGV[job], ARGV[job + 1]
  local there = seen[id] or redis.call('HGET', JOB .. id, 'data')
  if there then
    local length = tonumber(ARGV[job + 2])
    if string.sub(there, 1, length) ~= string.sub(data, 1, length) then return false end
    known[index] = (there == data and not seen[id]) and 2 or 1
  else
    seen[id] = data
  end
end
if each(check) == false then return {'conflict', index} end

-- A microsecond apart, so that the jobs of one call keep its order wherever times decide.
local second, micro = string.sub(stamp, 1, 20), tonumber(string.sub(stamp, 21, 26))
local function created()
  if micro + index > 999999 then return iso(now + index / 1000000) end
  return second .. string.format('%06dZ', micro + index)
end

local pushes = {{}, {}, {}, {}, {}}
local out = {decimal(now)}
local function store(group, job)
  if known[index] then
    out[#out + 1] = index
    out[#out + 1] = known[index]
    return
  end
  local id, delay = ARGV[job], tonumber(ARGV[group + 1])
  redis.call('HSET', JOB .. id, 'created_at', created(), 'data', ARGV[job + 1], 'origin', ARGV[1],
    'status', delay > 0 and 'scheduled' or 'queued', 'timeout', ARGV[group + 2], 'mq', ARGV[group + 3])
  if delay > 0 then
    schedule(id, now + delay / 1000 + index / 1000000)
  else
    local list = pushes[tonumber(ARGV[group])]
    list[#list + 1] = id
  end
end
each(store)

local added = false
for level, list in ipairs(pushes) do
  for i = 1, #list, 1000 do
    redis.call('RPUSH', KEYS[level], unpack(list, i, math.min(i + 999, #list)))
    added = true
  end
end
redis.call('SADD', 'rq:queues', ARGV[2])
if added then wake() end
return out
