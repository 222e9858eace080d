"""Rehearsals, as they are noted beside a backup: what came of one (rehearsal), and how it stands with
all of them (standing).
"""
