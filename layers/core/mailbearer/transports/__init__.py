"""What carries the mail: one module for each way, none of them imported before it is used."""
