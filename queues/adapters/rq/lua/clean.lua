-- Forget jobs that ended long enough ago, or whose lapsed lease began long enough ago.
-- ARGV: registry 6 wip, 7 finished or 8 failed, grace in ms, how many at most
-- Returns the ids, oldest first.
local registry, before, most = tonumber(ARGV[1]), now - tonumber(ARGV[2]) / 1000, tonumber(ARGV[3])
local gone = {}
if registry == 6 then
  local edge = iso(before)
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', decimal(now + FAR))) do
    local id = string.match(entry, '^(.*):[^:]*$')
    local started = redis.call('HGET', JOB .. id, 'started_at') or ''
    if #gone < most and started <= edge then
      redis.call('ZREM', KEYS[6], entry)
      forget(id)
      gone[#gone + 1] = id
    end
  end
  return gone
end
-- Oldest first over both centuries: those that counts may remove, and those they may not.
local function old(far)
  local range = redis.call('ZRANGEBYSCORE', KEYS[registry], decimal(far), decimal(before + far),
    'WITHSCORES', 'LIMIT', 0, most)
  local entries = {}
  for i = 1, #range, 2 do entries[#entries + 1] = {tonumber(range[i + 1]) - far, range[i]} end
  return entries
end
local counted, exempt = old(FAR), old(2 * FAR)
for _, entry in ipairs(exempt) do counted[#counted + 1] = entry end
table.sort(counted, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
for i = 1, math.min(most, #counted) do
  local id = counted[i][2]
  redis.call('ZREM', KEYS[registry], id)
  redis.call('ZREM', KEYS[13], id)
  forget(id)
  gone[#gone + 1] = id
end
return gone
