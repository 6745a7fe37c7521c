"""The scheduled run, and what it does for one mailbox (semantics.md, Scheduled rotation and validation)."""
