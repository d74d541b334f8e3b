"""Adapters: the port over each provider. Nothing else in the project imports a broker."""
