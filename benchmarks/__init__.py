"""How fast, and next to what: `make bench`. From the top down:

__main__.py   what was asked for
running.py    which steps go with which data, in which order
steps         backing_up.py, restoring.py, streaming.py (and visiting.py, its process), offsite.py, looking.py, sizes.py, traffic.py, dashboard.py, many.py, far.py: each a
              contest or more
sites.py      a server of S3 and one of SFTP, of this machine
answering.py  a bucket far away, in memory
contest.py    contestants in turn, round after round
place.py      one run's folder, broker and environment; the product's verbs as whole processes
loaded.py     data in a server, what has been made of it beforehand, and whether a result equals it
data.py       seeded data of four shapes
servers.py    redis-server processes on free ports; which programs this machine has
timing.py     whole processes, timed by the operating system; stopwatch.py is the process that does it
floors.py     the leanest clients that there can be
told          results.py (what came out), goals.py (what it must reach), machine.py, report.py, pictures.py
"""
