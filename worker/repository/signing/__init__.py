"""Who vouches for a manifest: it is signed, numbered, and names the one before it; what is gone by our own hand is on record.

`keys` has the key of this machine, `seal` a signature's place in a file, `journal` what this machine has signed into a storage,
`trust` whose word counts. Numbers are of one machine and one storage: so no two machines ever wait for each other, and a
copy elsewhere is the same bytes.
"""
