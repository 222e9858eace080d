"""Backups in several storages."""
