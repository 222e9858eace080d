"""The way back to a moment: its base and commands as a folder that a stock server loads (aof), a scratch server that loads it
(play), which is chosen for that (choice), and what it holds then as an ordinary backup that is kept for a while (made, shelf).
"""
