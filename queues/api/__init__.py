"""The REST API of the platform, and what a domain app's own `api` package builds on."""
