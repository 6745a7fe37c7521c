"""What Mailbearer promises of tokens, shown with real processes that are really killed: `make crash`."""
