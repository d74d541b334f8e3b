"""The platform beside its peers, measured in one run on one Valkey: `python -m benchmarks`."""
