"""A service of the configuration and an image of it make a release."""

from pipeline.deployment import Release
from pipeline.images import Image
from pipeline.spec import Service

DEFAULT_PORT = 8080


def release_of(service: Service, image: Image, exposed: int | None) -> Release:
    """Return how this image is to serve; the port is the configured one, else the exposed one, else 8080."""
    return Release(
        service=image.service,
        revision=image.revision,
        image=image.reference,
        port=service.port or exposed or DEFAULT_PORT,
        health=service.check,
        drain=service.drain,
        main=service.main,
        env=service.env,
        command=service.command,
    )
