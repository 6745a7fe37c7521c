"""Telling others what happened: webhooks, and the owners of mailboxes."""
