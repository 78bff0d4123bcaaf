"""A service of the configuration and an image of it make a release."""

from pipeline.deployment import Release
from pipeline.health import HealthCheck
from pipeline.images import Image
from pipeline.spec import Service

DEFAULT_PORT = 8080


def release_of(service: Service, image: Image, exposed: int | None) -> Release:
    """Return how this image is to serve; the port is the configured one, else the exposed one, else 8080."""
    health = service.health
    return Release(
        service=service.name,
        revision=image.revision,
        image=image.reference,
        port=service.port or exposed or DEFAULT_PORT,
        health=HealthCheck(path=health.path, timeout=health.timeout, within=health.within, rise=health.rise),
        drain=service.drain,
        main=service.main,
    )
