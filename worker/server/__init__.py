"""Speaking to one Redis: `endpoint` is where it is, `wire` a connection, `info` what it says of itself.

`dumps` and `scanning` read keys, `fence` lets through only what the holder of a lock sends, `throttle` keeps beside live traffic.
"""
