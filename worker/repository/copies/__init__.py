"""Backups in several storages: which storages there are (places), and what a copy in one of them is."""
