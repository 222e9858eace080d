"""The portable JSON document: for people, `jq`, and servers of another make or an older version.

One valid JSON document with one entry per line, so that it streams in both directions at flat memory:

    {"format":"redis-backup","version":1, ...header..., "keys":[
    {"db":0,"key":"user:1","type":"hash","expires_at":1701787822123,"value":[["name","Ann"]]},
    {"db":0,"key":"greeting","type":"string","value":"hello"}
    ],
    "functions":["#!lua name=lib ..."],"count":2}

The values' shapes are in shapes.py. A value that nobody could decode has "dump" (what DUMP answers) for "value".
`count` comes last: a document that was cut off lacks it, compressed or not.
"""

FORMAT = "redis-backup"
VERSION = 1
MAX_LINE = 1 << 30
"""Bytes of one entry: a longer line is neither written nor read."""
MAX_HEADER = 1 << 20
OPENING = b'{"format":"redis-backup","version":1,"keys":[\n'
"""The least that can stand before entries."""
OWN_WORDS = {"format", "version", "keys", "functions", "count"}
KEYS_OPEN = (b'"keys":[', b'"keys": [')
KEYS_CLOSE = b"],"
