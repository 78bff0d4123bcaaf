"""Pages and JSON that read the state of everything."""
