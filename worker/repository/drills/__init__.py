"""Rehearsals, as they are noted beside a backup: what came of one (rehearsal)."""
