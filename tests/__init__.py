"""The project's tests; CONTRIBUTING.md says what goes where."""
