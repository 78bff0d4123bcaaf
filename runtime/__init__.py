"""One adapter per outside system: the engine, git, HAProxy, dnsmasq, the registry, the queue."""
