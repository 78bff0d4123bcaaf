"""What Slipway is measured with: nothing here runs in production."""
