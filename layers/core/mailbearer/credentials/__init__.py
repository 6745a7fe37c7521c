"""The credentials by which a registration proves itself: edited, rotated, tended, watched."""
