"""Notifications to people, by e-mail."""
