"""Settings: the environment in, one typed object out, or an error that names what is wrong and never shows it.

`settings` has them all, in `fields` of their kinds; `validation` is that of arguments as well, and `address` spells servers.
"""
