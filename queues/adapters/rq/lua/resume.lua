-- Let jobs start again, and let a waiting worker look.
redis.call('DEL', KEYS[10])
wake()
return 1
