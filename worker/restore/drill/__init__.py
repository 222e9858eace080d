"""The rehearsal: a backup is restored into a scratch server (drill), which is chosen for it (choice), and compared with its file
(comparison); where none can be, it is decoded to its end (decoding). What came of it is noted beside the backup (account), and by
that it is known what is to be rehearsed next (due).
"""
