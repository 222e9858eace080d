"""What a restore was about to touch is kept before it writes (`snapshot`), as a backup of its own, and brought back afterwards.

`undo` is the verb, and `revert` writes.
"""
