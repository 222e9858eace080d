"""The way back. `restore` is the verb: it looks at the room in the target's memory, then has everything below it done."""
