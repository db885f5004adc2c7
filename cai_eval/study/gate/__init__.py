"""The regression gate: a run against a committed baseline, cell by cell, on the same items."""
