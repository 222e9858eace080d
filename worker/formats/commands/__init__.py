"""Commands as a server sends them to its replicas: bytes become commands (reading), which keys each of them touches (touching), a
filter of such keys (filters), and expiries that count from when the server ran them, made absolute (absolute).
"""
