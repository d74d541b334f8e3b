"""What `make demo` and the tests run beside the project: a local Slack and a local mail server."""
