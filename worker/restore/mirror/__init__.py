"""A target that becomes what the backup was and nothing else, by replication: we play its primary.

`recovery`, `watchdog` and `promotion` see to it that it is a primary again afterwards, whatever happens to us.
"""
