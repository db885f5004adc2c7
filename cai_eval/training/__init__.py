"""Training: one loop, objectives as pure functions."""
