"""What comes in from git hosts and from Slack."""
