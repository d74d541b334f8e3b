-- Lease jobs to a worker.
-- ARGV: how many, lease in seconds, worker name, one in how many starts from the lowest level
-- Returns what reserve() in common.lua returns.
-- Promise: a job leaves its list and gets its lease in one call, so it is always somewhere.
return reserve(tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]))
