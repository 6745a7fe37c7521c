"""The fifteen practices, checked on the live stack: each row with the evidence that was read, and the remedy."""
