"""What a backup is: an artifact and its manifest, which never changes, and notes beside it; the catalogue knows them all.

`writer` makes a backup, and is the only one that does. `check` holds an artifact against its manifest, `sound` its values against what a server may be sent, `behalf` says who asked,
`versions` what a bucket keeps of it.
"""
