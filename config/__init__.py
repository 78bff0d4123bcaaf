"""Settings, log format and the templates of the daemons' configuration files."""
