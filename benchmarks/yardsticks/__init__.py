"""The usual way to write such a function, as the budgets in docs/performance.md name it."""
