"""Which backups to keep, and why: pure, no clock, no I/O.

A `Policy` and manifests go in, `decide` gives a `Decision` for each, with its reason in words. `guarantees` are what no policy
and no argument breaks; `emptying` is the same question for the trash.
"""
