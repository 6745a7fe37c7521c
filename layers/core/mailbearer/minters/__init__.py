"""Providers' own ways to make client secrets, a file each."""
