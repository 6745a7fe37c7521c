"""The page that shows captured mail, beside the state of tokens and accounts."""
