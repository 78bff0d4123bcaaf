"""What Slipway knows, in SQL: the truth that survives every process."""
