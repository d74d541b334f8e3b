-- Remove waiting jobs, and delayed ones if asked, a bounded number at a time.
-- ARGV: how many at most, 1 to take delayed ones too
-- Returns how many went; fewer than asked for means that none is left.
local most, gone = tonumber(ARGV[1]), {}
for level = 1, 5 do
  if #gone < most then
    local ids = redis.call('LPOP', KEYS[level], most - #gone)
    for _, id in ipairs(ids or {}) do gone[#gone + 1] = JOB .. id end
  end
end
if ARGV[2] == '1' and #gone < most then
  local ids = redis.call('ZRANGE', KEYS[9], 0, most - #gone - 1)
  for _, id in ipairs(ids) do gone[#gone + 1] = JOB .. id end
  redis.call('ZREMRANGEBYRANK', KEYS[9], 0, #ids - 1)
end
if #gone > 0 then redis.call('UNLINK', unpack(gone)) end
return #gone
