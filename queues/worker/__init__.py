"""The worker: runs jobs from any provider's consumers. It knows no provider."""
