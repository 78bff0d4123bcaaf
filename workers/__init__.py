"""The processes that carry runs through their stages."""
