"""Emergencies: shutting mailboxes, ending their grants, telling what was sent, and letting come back what may."""
