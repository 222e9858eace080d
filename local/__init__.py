"""Everything on this machine with one command: `make run`.

__main__.py   the order of things, and what is said about it
options.py    what the person asked for
house.py      servers and processes: started, watched, stopped
children.py   one child process: its output, its end
kept.py       secrets that the next run finds again
dashboard.py  its secret, its password, its address
servers.py    which redis-server, on which port, with which data folder
demo.py       lifelike data for the demo source
"""
