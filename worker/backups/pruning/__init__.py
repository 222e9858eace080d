"""The parts of a prune: `choice` says what is to become of each backup of a storage, `account` does it and tells what was done,
`leftovers` is what belongs to no backup any more.
"""
