"""A basket: what is in it and what it costs, in cents."""

PRICES = {"apple": 30, "bread": 250, "tea": 420}


class Basket:
    """Counts things and adds up their prices."""

    def __init__(self) -> None:
        self.things: dict[str, int] = {}

    def add(self, thing: str, count: int = 1) -> None:
        """Put things in. Raises KeyError for what the shop does not sell."""
        PRICES[thing]
        self.things[thing] = self.things.get(thing, 0) + count

    def total(self) -> int:
        """Return what it costs."""
        return sum(PRICES[thing] * count for thing, count in self.things.items())
