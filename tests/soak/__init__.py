"""A soak: a real broker, source, target, worker and beat at work under random faults, and all promises checked at the end.

`make soak SOAK_MINUTES=10`, or `python -m tests.soak --minutes 10 --seed 7`. The faults follow from the seed, which is
printed; when they come about depends on the machine.

__main__.py   what was asked for, the order of things, the report
stage.py      what there is: servers, lines to them, processes, folders
faults.py     the table of faults: one that is added there is carried out
traffic.py    who writes into the source, who asks for runs, who watches the storage
promises.py   the table of promises, I1 to I13, each a check of what is left at the end
hearing.py    those of them that are about who hears of it, what is suspicious, and drills
"""
