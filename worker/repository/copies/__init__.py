"""Backups in several storages: which storages there are (places), what they hold (holdings), what is missing (lacking) and
what that means (standing), and where to read a backup from (found).
"""
