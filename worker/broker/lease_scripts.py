"""What the broker does with a lease, in one step each: taken, renewed, given back.

KEYS are its lock and its fence, of which each holds `<number> <owner>`. ARGV[1] is the owner who takes it, or what its holder
has got; ARGV[2] is how many milliseconds it lasts.
"""

_NUMBER = "local function number(of) return tonumber(string.match(of or '', '^(%d+) ')) or 0 end\n"
# Whoever holds it, or the new `number owner`. The same owner may take it again: an earlier try of that run has ended.
# The number begins at the time, so that a broker that has lost its memory does not begin again with small ones.
TAKE = (
    _NUMBER
    + """
local holder = redis.call('GET', KEYS[1])
if holder and string.match(holder, '^%d+ (.*)$') ~= ARGV[1] then return holder end
local new = math.max(number(redis.call('GET', KEYS[2])) + 1, tonumber(ARGV[3]))
local token = string.format('%.0f %s', new, ARGV[1])
redis.call('SET', KEYS[1], token, 'PX', ARGV[2])
redis.call('SET', KEYS[2], token)
return token
"""
)
# Our own `number owner`, or whoever's it is instead; nobody's where it must not be taken back. One that has vanished within
# its time, with a broker that lost its memory, is taken again. One that ran out is too, where it never changed hands and
# its holder has been asking all along. Smaller numbers are of the past: the broker, or the Redis it runs on, was taken back
# to an earlier state.
RENEW = (
    _NUMBER
    + """
local holder, last, mine = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), ARGV[1]
if holder ~= mine and number(holder) >= number(mine) then return holder end
if last ~= mine and number(last) >= number(mine) then return last end
if holder == mine then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
    if ARGV[3] == 'stood still' or (ARGV[3] == 'ran out' and last ~= mine) then return '' end
    redis.call('SET', KEYS[1], mine, 'PX', ARGV[2])
end
if last ~= mine then redis.call('SET', KEYS[2], mine) end
return mine
"""
)
GIVE_BACK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
