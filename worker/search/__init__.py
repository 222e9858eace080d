"""One key, or a pattern, through time: in which backups it is, where it changed, and what is alive now.

`search` is the verb, for one key, and `fitting` goes through those of a pattern. Both ask `places`: backups, by the `index`
of their keys, and the live source (`alive`).
"""
