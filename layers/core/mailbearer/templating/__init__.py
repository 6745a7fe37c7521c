"""Templates: keeping them, and filling them in."""
