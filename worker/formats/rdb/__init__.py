"""RDB, the server's own file: chunks go into a `Reader` and come out as entries, `write` makes chunks of entries.

What is known of each type code stands in `codes`; `values` decodes what a key holds, by `encodings`, `collections`, `streams`
and `vectors`. `skipping` passes over a value, `lengths` measures it, `payload` seals it as DUMP does.
"""

from worker.formats.rdb.reader import Reader
from worker.formats.rdb.writer import write

__all__ = ["Reader", "write"]
