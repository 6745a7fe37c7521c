"""Filling templates in."""
