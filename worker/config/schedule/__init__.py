"""The settings that an admin may choose while everything runs.

`plan` says which, `chosen` what was chosen of them and by whom, `in_force` by which choices this process goes.
"""
