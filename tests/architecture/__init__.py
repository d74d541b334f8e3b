"""What the whole repository promises of itself: its imports, sizes, docs and commands."""
