"""What anybody sees of the shop where it runs: asked by name, through the proxy."""

import json
import os
import unittest
from urllib.request import urlopen


def asked(service: str, path: str) -> str:
    """Return what a service of the environment answers."""
    with urlopen(os.environ[f"SLIPWAY_URL_{service}"] + path, timeout=20) as answer:
        return answer.read().decode()


class TestLive(unittest.TestCase):
    def test_the_page_names_the_shop(self) -> None:
        self.assertIn("A shop that counts", asked("WEB", "/"))

    def test_the_api_fills_a_basket(self) -> None:
        self.assertGreaterEqual(json.loads(asked("API", "/"))["total"], 30)
