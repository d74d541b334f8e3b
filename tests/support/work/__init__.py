"""An app whose one processor does what its payload says, and writes down that it did."""
