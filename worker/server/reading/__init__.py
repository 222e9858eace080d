"""Keys read over the wire: names go in, entries with their payload and expiry come out.

`scanning` names all keys, `keys` reads given ones by batches of `dumps`; `expiry` says when one expires, and `damage`
notices what cannot be what the server sent.
"""
