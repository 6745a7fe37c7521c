"""Proving that a token opens its mailbox, sending nothing."""
