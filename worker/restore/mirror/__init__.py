"""A target that becomes what the backup was and nothing else, by replication: we play its `primary`, and it loads one file.

`handover` makes it a primary again when it has the file, and `promotion` whenever something went wrong: at once by the
`watchdog`, a process beside ours, or later by `recovery`, which remembers it. `mirror` chooses, and else goes key by key.
"""
