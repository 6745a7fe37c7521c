"""The routes of the HTTP API, one module for each kind of thing; a function joins those it serves."""
