-- What one gateway has to tell and to ask, done in one go.
--
-- KEYS[1] names the count that all gateways keep together: where it is gone or another, everything has to be told anew.
-- KEYS[2] when each gateway was last heard of, KEYS[3] the pauses of candidates, and then, two by two for each scope, the
-- last minute and how many requests of each gateway run. ARGV[1] is the call, in JSON; scopes are numbered in it from 0.
--
-- A minute is 121 counts of half a second in a hash, `r<n>` of requests and `t<n>` of tokens, reused in a ring; with their
-- sums `r` and `t`, the step that was looked at last, `newest`, and the last in which each came, `rl` and `tl`. Tokens that
-- were used beyond the limit are owed, `o`: as counts get a minute old, what is owed takes their places.
local STEP, STEPS = 500, 121
local KEEP_WINDOW, KEEP_RUNNING, KEEP_ALIVE, KEEP_PAUSES, KEEP_EPOCH = 62000, 60000, 60000, 130000, 600000
local REQUESTS, TOKENS, CONCURRENT = 0, 1, 2
-- A gateway that was not heard of for so long has no requests running any more.
local DEAD = 15000
-- When a request that found too many running may come again.
local BUSY = 1000

local call = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local present = math.floor(now / STEP)

local function whole(number)
  return string.format('%.0f', number)
end

if redis.call('GET', KEYS[1]) ~= call.epoch then
  return {now, 0}
end
redis.call('PEXPIRE', KEYS[1], KEEP_EPOCH)
redis.call('ZADD', KEYS[2], whole(now), call.gateway)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', whole(now - KEEP_ALIVE))
redis.call('PEXPIRE', KEYS[2], KEEP_ALIVE)

-- ---- The last minute ----

local windows = {}

local function fields_of(kind)
  local fields = {}
  for place = 0, STEPS - 1 do
    fields[#fields + 1] = kind .. place
  end
  return fields
end

-- How many times all tokens of a window are owed besides.
local function full_rounds(it)
  return it.sum.t > 0 and math.floor(it.owed / it.sum.t) or 0
end

-- Forgets a count that gets too old at `step`; what is owed takes its place.
local function pay(it, count, step)
  local paid = math.min(count, it.owed)
  it.owed, it.sum.t = it.owed - paid, it.sum.t - count + paid
  if paid > 0 then
    it.last.t = step
  end
  return paid
end

-- A minute and more has passed since: nothing is left but what was owed and paid meanwhile.
local function leap(it, passed)
  local counts = redis.call('HMGET', it.key, unpack(fields_of('t')))
  redis.call('DEL', it.key)
  it.sum.r = 0
  local rounds = math.min(math.floor(passed / STEPS), full_rounds(it))
  it.owed, it.newest = it.owed - rounds * it.sum.t, it.newest + rounds * STEPS
  for step = it.newest + 1, math.min(present, it.newest + 2 * STEPS) do
    local place = step % STEPS + 1
    counts[place] = pay(it, tonumber(counts[place]) or 0, step)
  end
  for place = 1, STEPS do
    it.added['t' .. place - 1] = tonumber(counts[place]) or 0
  end
end

-- The window of a scope, without what is older than a minute. It is written back at the end.
local function window(scope)
  local it = windows[scope]
  if it then
    return it
  end
  local key = KEYS[4 + 2 * scope]
  local read = redis.call('HMGET', key, 'newest', 'r', 't', 'rl', 'tl', 'o')
  it = {key = key, newest = tonumber(read[1]) or present, added = {}, is_changed = false}
  it.sum = {r = tonumber(read[2]) or 0, t = tonumber(read[3]) or 0}
  it.last = {r = tonumber(read[4]) or 0, t = tonumber(read[5]) or 0}
  it.owed = tonumber(read[6]) or 0
  local passed = present - it.newest
  if passed < -STEPS or (passed >= STEPS and it.owed == 0) then
    redis.call('DEL', key)
    it.newest, it.sum, it.owed = present, {r = 0, t = 0}, 0
  elseif passed >= STEPS then
    leap(it, passed)
    it.newest, it.is_changed = present, true
  elseif passed > 0 then
    local fields = {}
    for step = it.newest + 1, present do
      fields[#fields + 1] = 'r' .. step % STEPS
      fields[#fields + 1] = 't' .. step % STEPS
    end
    local old = redis.call('HMGET', key, unpack(fields))
    redis.call('HDEL', key, unpack(fields))
    for i = 1, #old, 2 do
      it.sum.r = it.sum.r - (tonumber(old[i]) or 0)
      it.added[fields[i + 1]] = pay(it, tonumber(old[i + 1]) or 0, present)
    end
    it.newest, it.is_changed = present, true
  end
  windows[scope] = it
  return it
end

local function add(it, kind, step, amount)
  step = math.min(step, it.newest)
  if amount == 0 or it.newest - step >= STEPS then
    return
  end
  local field = kind .. step % STEPS
  it.added[field] = (it.added[field] or 0) + amount
  it.sum[kind] = it.sum[kind] + amount
  if amount > 0 then
    it.last[kind] = math.max(it.last[kind], step)
  end
  it.is_changed = true
end

-- Makes tokens that came at `step` more or less. What is more than the limit leaves room for is owed.
local function correct(it, step, amount, limit)
  if it.newest - step >= STEPS then
    return
  end
  local owed = 0
  if amount < 0 then
    owed = -math.min(it.owed, -amount)
  elseif limit > 0 then
    owed = amount - math.min(amount, math.max(0, limit - it.sum.t))
  end
  if owed ~= 0 then
    it.owed, it.is_changed = it.owed + owed, true
  end
  add(it, 't', step, amount - owed)
end

-- Where the limit has become larger, more of what is owed finds a place at once.
local function settle(it, limit)
  local paid = math.min(it.owed, math.max(0, limit - it.sum.t))
  if paid > 0 then
    it.owed = it.owed - paid
    add(it, 't', it.newest, paid)
  end
end

-- Milliseconds until no more than `most` is left of what came and is owed, if nothing comes.
local function until_left(it, kind, most)
  local owed, sum, rounds = 0, it.sum[kind], 0
  if kind == 't' then
    owed = it.owed
  end
  local left = sum + owed
  if left <= most then
    return 0
  end
  if owed > 0 then
    rounds = math.min(full_rounds(it), math.floor((left - most - 1) / sum))
    left, owed = left - rounds * sum, owed - rounds * sum
  end
  local fields = {}
  for age = STEPS - 1, 0, -1 do
    fields[#fields + 1] = kind .. (it.newest - age) % STEPS
  end
  local counts = redis.call('HMGET', it.key, unpack(fields))
  for i = 1, STEPS do
    counts[i] = (tonumber(counts[i]) or 0) + (it.added[fields[i]] or 0)
  end
  -- From the oldest on; in the second round what was paid in the first.
  for round = rounds, rounds + 1 do
    for i = 1, STEPS do
      left = left - counts[i]
      if left <= most then
        return (round * STEPS + i) * STEP
      end
      counts[i] = math.min(owed, counts[i])
      owed = owed - counts[i]
    end
  end
  return (rounds + 2) * STEPS * STEP
end

-- ---- What runs ----

local runs = {}

-- How many run: of this gateway, and of the others that live.
local function running(scope)
  local it = runs[scope]
  if it then
    return it
  end
  local key = KEYS[5 + 2 * scope]
  it = {key = key, own = 0, others = 0, is_changed = false}
  local counts = redis.call('HGETALL', key)
  for i = 1, #counts, 2 do
    if counts[i] == call.gateway then
      it.own = tonumber(counts[i + 1])
    elseif now - (tonumber(redis.call('ZSCORE', KEYS[2], counts[i]) or 0)) > DEAD then
      redis.call('HDEL', key, counts[i])
    else
      it.others = it.others + tonumber(counts[i + 1])
    end
  end
  runs[scope] = it
  return it
end

-- ---- Rules: {scope, requests, tokens, at a time}, 0 where there is no limit ----

local function lack(rule, tokens)
  local scope, of_requests, of_tokens, at_a_time = rule[1], rule[2], rule[3], rule[4]
  if of_requests > 0 and window(scope).sum.r > of_requests - 1 then
    return {REQUESTS, of_requests, until_left(window(scope), 'r', of_requests - 1)}
  end
  if of_tokens > 0 then
    local most = of_tokens - math.min(tokens, of_tokens)
    settle(window(scope), of_tokens)
    if window(scope).sum.t > most then
      return {TOKENS, of_tokens, until_left(window(scope), 't', most)}
    end
  end
  if at_a_time > 0 then
    local it = running(scope)
    if it.own + it.others >= at_a_time then
      return {CONCURRENT, at_a_time, BUSY}
    end
  end
end

local function first_lack(rules, tokens)
  for number, rule in ipairs(rules) do
    local lacking = lack(rule, tokens)
    if lacking then
      return lacking, number
    end
  end
end

local function take(rules, tokens)
  for _, rule in ipairs(rules) do
    if rule[2] > 0 then
      add(window(rule[1]), 'r', window(rule[1]).newest, 1)
    end
    if rule[3] > 0 then
      add(window(rule[1]), 't', window(rule[1]).newest, math.min(tokens, rule[3]))
    end
    if rule[4] > 0 then
      local it = running(rule[1])
      it.own, it.is_changed = it.own + 1, true
    end
  end
end

-- The limit of a kind of which least is left, what is left, and the time until all of it is.
local function tightest(rules, kind, index)
  local limit, left, reset = 0, 0, 0
  for _, rule in ipairs(rules) do
    if rule[index] > 0 then
      local it = window(rule[1])
      local own = math.max(0, rule[index] - it.sum[kind])
      if limit == 0 or own < left then
        limit, left, reset = rule[index], own, 0
        if kind == 't' and it.owed > 0 then
          reset = until_left(it, kind, 0)
        elseif it.sum[kind] > 0 then
          reset = math.max(0, it.last[kind] + STEPS - it.newest) * STEP
        end
      end
    end
  end
  return {limit, left, reset}
end

-- ---- The call ----

for _, change in ipairs(call.changes) do
  local it = window(change[1])
  add(it, 'r', change[2], change[3])
  correct(it, change[2], change[4], change[5])
end
for _, count in ipairs(call.running) do
  local it = running(count[1])
  it.own, it.is_changed = count[2], true
end

if #call.pauses > 0 then
  for _, pause in ipairs(call.pauses) do
    local before = tonumber(redis.call('HGET', KEYS[3], pause[1]) or 0)
    redis.call('HSET', KEYS[3], pause[1], whole(math.max(before, now + pause[2])))
  end
  local version = tonumber(redis.call('HGET', KEYS[3], 'version') or 0)
  redis.call('HSET', KEYS[3], 'version', whole(math.max(version + 1, now)))
  redis.call('PEXPIRE', KEYS[3], KEEP_PAUSES)
end
local version = tonumber(redis.call('HGET', KEYS[3], 'version') or 0)
local pauses = {}
if version ~= call.seen then
  local kept = redis.call('HGETALL', KEYS[3])
  for i = 1, #kept, 2 do
    local candidate, ends = tonumber(kept[i]), tonumber(kept[i + 1])
    if candidate and ends > now then
      pauses[#pauses + 1] = candidate
      pauses[#pauses + 1] = ends - now
    elseif candidate then
      redis.call('HDEL', KEYS[3], kept[i])
    end
  end
end

local answers = {}
for _, ask in ipairs(call.asks) do
  local lacking, number = first_lack(ask.rules, ask.tokens)
  local answer
  if lacking then
    answer = {0, number - 1, lacking}
  else
    take(ask.rules, ask.tokens)
    local lacks = {}
    for _, choice in ipairs(ask.choices) do
      local other = first_lack(choice, ask.tokens)
      if not other then
        take(choice, ask.tokens)
        break
      end
      lacks[#lacks + 1] = other
    end
    answer = {1, 0, lacks}
  end
  answer[4] = tightest(ask.rules, 'r', 2)
  answer[5] = tightest(ask.rules, 't', 3)
  answers[#answers + 1] = answer
end

for _, it in pairs(windows) do
  if it.is_changed then
    for field, amount in pairs(it.added) do
      if amount ~= 0 then
        redis.call('HINCRBY', it.key, field, whole(amount))
      end
    end
    redis.call('HSET', it.key, 'newest', whole(it.newest), 'r', whole(it.sum.r), 't', whole(it.sum.t),
      'rl', whole(it.last.r), 'tl', whole(it.last.t), 'o', whole(it.owed))
    local minutes = it.owed > 0 and full_rounds(it) + 2 or 1
    redis.call('PEXPIRE', it.key, whole(minutes * KEEP_WINDOW))
  end
end
for _, it in pairs(runs) do
  if it.is_changed then
    if it.own > 0 then
      redis.call('HSET', it.key, call.gateway, whole(it.own))
      redis.call('PEXPIRE', it.key, KEEP_RUNNING)
    else
      redis.call('HDEL', it.key, call.gateway)
    end
  end
end
return {now, 1, version, pauses, answers}
