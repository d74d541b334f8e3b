"""One driver for each system that is measured, each run as a process in its own environment."""
