"""Slack over REST."""
