"""The verbs people use, one a file, the same for chat, API and command line."""
