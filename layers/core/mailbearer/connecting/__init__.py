"""Connecting a mailbox: one module for each way in, and what they share in `granting`, `identity` and `tickets`."""
