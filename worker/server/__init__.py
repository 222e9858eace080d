"""Speaking to one Redis: `endpoint` is where it is, `wire` a connection, `replies` what its answers mean, `info` what it says of itself.

`reading` reads keys, `throttle` keeps that beside live traffic, and `fence` lets through only what the holder of a lock
sends. `rights` is what each operation takes there, `refusals` what of it a user lacks.
"""
