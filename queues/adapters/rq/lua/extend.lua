-- Let leases end later.
-- ARGV: lease in seconds from now, then id:token of each run
-- Returns the indexes from 0 of those that were already lost.
local until_ = decimal(now + tonumber(ARGV[1]) + FAR)
local lost = {}
for i = 2, #ARGV do
  if redis.call('ZSCORE', KEYS[6], ARGV[i]) then
    redis.call('ZADD', KEYS[6], 'XX', until_, ARGV[i])
  else
    lost[#lost + 1] = i - 2
  end
end
return lost
