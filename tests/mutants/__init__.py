"""Mutants: our code with one small mistake each, which the tests must notice. `python -m tests.mutants --help`."""
