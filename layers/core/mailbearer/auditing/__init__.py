"""Proving the audit log: chains are read, signed by digests, verified, searched and exported (semantics.md, Audit)."""
