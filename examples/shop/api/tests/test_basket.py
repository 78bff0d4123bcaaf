"""What a basket must do."""

import unittest

from shop.basket import Basket


class TestBasket(unittest.TestCase):
    def test_an_empty_basket_costs_nothing(self) -> None:
        self.assertEqual(Basket().total(), 0)

    def test_things_add_up(self) -> None:
        basket = Basket()
        basket.add("apple", 2)
        basket.add("tea")
        self.assertEqual(basket.total(), 480)

    def test_what_is_not_sold_cannot_be_added(self) -> None:
        with self.assertRaises(KeyError):
            Basket().add("unicorn")


if __name__ == "__main__":
    unittest.main()
