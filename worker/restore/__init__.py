"""The way back. `restore` is the verb: it looks at the room in the target's memory, then has everything below it done.

A report comes out; that not every key could be restored is said in `restore.check_complete`, with the first that failed.
"""
