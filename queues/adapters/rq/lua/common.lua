-- What the scripts share. Every script gets the same keys (keys.py builds them):
--   1..5  the five level lists, most urgent first; 3 is RQ's own list rq:queue:<name>
--   6 rq:wip  7 rq:finished  8 rq:failed  9 rq:scheduled   (RQ's registries)
--   10 paused flag  11 wake list  12 counters  13 expiry by age  14 rq:suspended
-- Job hashes are rq:job:<id>, so the scripts need one Redis, not a cluster.
--
-- Scores: RQ takes a registry's score for an expiry time and, on a mere count, fails or forgets
-- what is past it. Ours lie a century ahead: score = seconds + FAR. A job that no other job's
-- count may remove lies two centuries ahead. rq:scheduled keeps plain times, which RQ only reads.
local FAR = 3155760000
local JOB = 'rq:job:'
local LEVELS = {['1'] = 1, ['3'] = 2, ['5'] = 3, ['7'] = 4, ['10'] = 5}

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

local function decimal(seconds)
  return string.format('%.6f', seconds)
end

-- Seconds since the epoch as RQ writes times. Days to a civil date after
-- https://howardhinnant.github.io/date_algorithms.html#civil_from_days
local function iso(seconds)
  local whole = math.floor(seconds)
  local micro = math.floor((seconds - whole) * 1000000 + 0.5)
  if micro > 999999 then micro = 999999 end
  local days = math.floor(whole / 86400)
  local rest = whole - days * 86400
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d-%02d-%02dT%02d:%02d:%02d.%06dZ', year, month,
    doy - math.floor((153 * mp + 2) / 5) + 1,
    math.floor(rest / 3600), math.floor(rest / 60) % 60, rest % 60, micro)
end

local stamp = iso(now)

-- The level list of a job, from its packed options.
local function level_of(packed)
  return LEVELS[string.match(packed or '', '^(%d+)|') or '5'] or 3
end

-- Let one waiting worker look; it passes the word on while jobs remain.
local function wake()
  if redis.call('EXISTS', KEYS[11]) == 0 then redis.call('RPUSH', KEYS[11], '1') end
end

-- A job that comes back to the front goes on with the wait that it had begun.
local function push(id, level, front)
  if front then
    redis.call('HSET', JOB .. id, 'status', 'queued')
    redis.call('LPUSH', KEYS[level], id)
  else
    redis.call('HSET', JOB .. id, 'status', 'queued', 'enqueued_at', stamp)
    redis.call('RPUSH', KEYS[level], id)
  end
end

-- Delay a job; a waiter that sleeps until a later job must look again.
local function schedule(id, at)
  local first = redis.call('ZRANGE', KEYS[9], 0, 0, 'WITHSCORES')
  redis.call('ZADD', KEYS[9], decimal(at), id)
  if not first[2] or tonumber(first[2]) > at then wake() end
end

-- Keep how an attempt ended: its end in ms, then what the worker or the sweep says of it.
local function note(id, entry)
  local log = redis.call('HGET', JOB .. id, 'mq_log') or ''
  while #log > 65536 do log = string.match(log, '^[^\n]*\n(.*)$') or '' end
  redis.call('HSET', JOB .. id, 'mq_log', log .. string.format('%.0f ', now * 1000) .. entry .. '\n')
end

local function forget(id)
  redis.call('UNLINK', JOB .. id)
end

-- Put an ended job into its registry (7 or 8). `count` '' sets no limit, `age` '' no expiry.
local function keep(registry, id, count, age)
  if count == '0' then return forget(id) end
  local exempt = count == ''
  redis.call('ZADD', KEYS[registry], decimal(now + (exempt and 2 or 1) * FAR), id)
  if age ~= '' then redis.call('ZADD', KEYS[13], decimal(now + tonumber(age) / 1000), id) end
end

-- Forget the oldest jobs of a registry beyond `count`, those exempt from counts aside.
local function trim(registry, count)
  if redis.call('ZCARD', KEYS[registry]) <= count then return end
  local excess = redis.call('ZCOUNT', KEYS[registry], '-inf', '(' .. decimal(2 * FAR)) - count
  while excess > 0 do
    local n = math.min(excess, 1000)
    local old = redis.call('ZRANGE', KEYS[registry], 0, n - 1)
    redis.call('ZREMRANGEBYRANK', KEYS[registry], 0, n - 1)
    for i, id in ipairs(old) do old[i] = JOB .. id end
    redis.call('UNLINK', unpack(old))
    excess = excess - n
  end
end

local function promote()
  while true do
    local due = redis.call('ZRANGEBYSCORE', KEYS[9], '-inf', decimal(now), 'LIMIT', 0, 500)
    if #due == 0 then return end
    redis.call('ZREM', KEYS[9], unpack(due))
    for _, id in ipairs(due) do
      local job = redis.call('HMGET', JOB .. id, 'data', 'mq')
      if job[1] then push(id, level_of(job[2])) end
    end
  end
end

-- Pop up to `n` ids from the lists, every `every`-th one from the lowest level that has any.
local function pop(n, every)
  local ids = {}
  local function from(first, last, step, most)
    for level = first, last, step do
      if most <= 0 then return end
      local got = redis.call('LPOP', KEYS[level], most)
      if got then
        for _, id in ipairs(got) do ids[#ids + 1] = id end
        most = most - #got
      end
    end
  end
  if every == 0 then
    from(1, 5, 1, n)
    return ids
  end
  local taken = tonumber(redis.call('HGET', KEYS[12], 'taken') or '0')
  local before = -1
  while #ids < n and #ids > before do
    before = #ids
    local strict = every - 1 - (taken + #ids) % every
    if strict == 0 then
      from(5, 1, -1, 1)
    else
      from(1, 5, 1, math.min(strict, n - #ids))
    end
  end
  if #ids > 0 then redis.call('HINCRBY', KEYS[12], 'taken', #ids) end
  return ids
end

-- Lease up to `n` jobs to a worker. Returns {now, seconds until the next delayed job or '',
-- id, token, data, packed options, runs, created_at, enqueued_at, ... for each job}.
local function reserve(n, lease, worker, every)
  local out = {decimal(now), ''}
  if redis.call('EXISTS', KEYS[10], KEYS[14]) > 0 then return out end
  promote()
  local until_ = decimal(now + lease + FAR)
  local prefix = clock[1] .. string.format('%06d', clock[2]) .. '-'
  local leases = {}
  while n > 0 do
    local ids = pop(n, every)
    if #ids == 0 then break end
    for i, id in ipairs(ids) do
      local key = JOB .. id
      local job = redis.call('HMGET', key, 'data', 'mq', 'mq_runs', 'created_at', 'enqueued_at')
      -- An id without its hash was removed behind our back: there is nothing to run.
      if job[1] then
        local runs = (tonumber(job[3]) or 0) + 1
        local token = prefix .. n
        redis.call('HSET', key, 'status', 'started', 'started_at', stamp, 'worker_name', worker, 'mq_runs', runs)
        leases[#leases + 1] = until_
        leases[#leases + 1] = id .. ':' .. token
        local at = #out
        out[at + 1], out[at + 2], out[at + 3], out[at + 4] = id, token, job[1], job[2] or ''
        out[at + 5], out[at + 6], out[at + 7] = runs, job[4] or '', job[5] or ''
        n = n - 1
      end
    end
  end
  for i = 1, #leases, 1000 do
    redis.call('ZADD', KEYS[6], unpack(leases, i, math.min(i + 999, #leases)))
  end
  if n == 0 then
    for level = 1, 5 do
      if redis.call('EXISTS', KEYS[level]) == 1 then wake() break end
    end
  elseif #leases == 0 then
    local first = redis.call('ZRANGE', KEYS[9], 0, 0, 'WITHSCORES')
    if first[2] then out[2] = decimal(math.max(0, tonumber(first[2]) - now)) end
  end
  return out
end
