"""What people are told: pure messages and the transports that carry them."""
