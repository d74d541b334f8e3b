"""Messages and alerts to Slack."""
