"""Keeping a mailbox's token alive: refresh under a lease, store before use (semantics.md, Refreshing)."""
