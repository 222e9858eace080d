"""The map of this folder, from the top down; imports go down only, and each folder says what it is.

doors       celery.py, tasks.py (the queue), attempt.py (what each task does around its verb), consumer.py (what a
            worker takes from its queues), lifecycle.py (it begins and ends), beat.py and timetable.py (what is due when),
            __main__.py and cli/ (the shell: a verb a module)
the way back  restore/: drill/ (it is rehearsed), preview/ (what it would do), undo/ (what was there before), mirror/ (by replication),
            target/ (a Redis that is written to), selection/ (which keys, and where to)
backups     backups/ (a verb a module; copies/ for those in other storages), search/ (keys through time)
what is wrong  alerts/ (judged, remembered, and told once)
asked for   arguments/ (the models that tasks, shell and web share)
the stream  segments/ (what a source's replication brings between two backups; playing/ is the way back to any moment in it,
            telling/ says what happened)
memory      runs/ (from queued to its end), repository/ (what a backup is), notify/ (who hears of it),
            broker/ (locks, tokens, who is alive, what is chosen of the schedule)
a Redis     engines/ (ways to read it), server/ (speaking to it)
bytes       formats/: rdb/, portable/ (JSON), compare/; storage/ (where files lie)
ground      config/ (settings), logs.py, progress.py, errors.py, words.py (numbers and lists in words)
"""

__version__ = "0.1.0"
