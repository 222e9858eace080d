"""An RDB file walked in windows: chunks go in, batches of entries come out, at flat memory.

`opcodes` is what stands between keys, `window` the bytes that are held. Two more walk as the Reader does: `census` counts
without making entries, `soundness` says what no server should be sent.
"""

from worker.formats.rdb.reader.reader import Reader

__all__ = ["Reader"]
