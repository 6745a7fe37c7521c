"""From the queue to the provider: prepare, intent, one call, record, acknowledge last (semantics.md, Sending, 2-6)."""
