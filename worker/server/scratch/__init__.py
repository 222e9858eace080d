"""A Redis or Valkey of our own for a while: which program (programs), how much memory it may take (memory), and its life from
start to end (scratch), which a small process beside it sees to (keeper).
"""
