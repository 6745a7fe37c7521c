"""What Mailbearer promises of tokens and messages, shown with real processes that are really killed: `make crash`."""
