"""The portable format, one JSON document with an entry a line: `write` makes it of entries, a `Reader` gives them back.

`document` says what stands in it, and `shapes` has the shape of each type; those of streams and vector sets are in
`streams` and `vectors`, what all shapes are made of in `parts`, and `long_lines` has strings that must not be held twice.
"""

from worker.formats.portable.document import OPENING
from worker.formats.portable.reader import Reader
from worker.formats.portable.writer import write

__all__ = ["OPENING", "Reader", "write"]
