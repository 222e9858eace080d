"""A Redis that is written to: entries come in, in batches, and a report of what became of each goes out.

`writer` is the pass: `payloads` and `values` pack what a `flow` sends, and `settlement` counts by the replies. `footprint`,
`needs` and `headroom` reckon the target's memory, `loadable` what it can load, `aftermath` what befell it meanwhile. A `job`
is a restore that writes there.
"""
