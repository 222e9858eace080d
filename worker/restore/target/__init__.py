"""A Redis that is written to: entries come in, in batches, and a report of what became of each goes out.

`footprint`, `needs` and `headroom` reckon its memory, `loadable` what it can load, `aftermath` what befell it meanwhile.
"""
