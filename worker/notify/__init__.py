"""Who hears of it: what is to be said (`message`) is put where the broker keeps it (`outbox`), until each channel has it.

`channels` are those that the settings name; whoever hears nothing of a channel for a while tries the next ones later.
"""
