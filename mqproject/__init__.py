"""The project's wiring: settings, URLs and server entry points."""
