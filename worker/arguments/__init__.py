"""What may be asked for, as models: a task, a verb of the shell and a form of the web are checked by the same one.

In comes what somebody typed or sent, out comes a frozen model, or pydantic's ValidationError. Nothing here does anything.
"""
