"""Send an application's mail through the mailboxes its owner already has."""
