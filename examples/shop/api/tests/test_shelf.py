"""What a shelf must do, on a real Redis: `python3 -m tests integration` with SHOP_REDIS set."""

import os
import unittest

from shop.shelf import Shelf


class TestShelf(unittest.TestCase):
    def setUp(self) -> None:
        self.shelf = Shelf(os.environ["SHOP_REDIS"])
        self.addCleanup(self.shelf.close)

    def test_a_new_shelf_is_empty(self) -> None:
        self.assertEqual(self.shelf.count("tea"), 0)

    def test_what_one_puts_there_another_finds(self) -> None:
        self.shelf.add("apple", 2)
        other = Shelf(os.environ["SHOP_REDIS"])
        self.addCleanup(other.close)
        self.assertEqual(other.add("apple"), 3)
