"""Commands: one file a group; only what a command needs is imported, when it runs."""
