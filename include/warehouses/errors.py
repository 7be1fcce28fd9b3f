"""What goes wrong with a warehouse."""


class WarehouseError(Exception):
    """A statement or sign-in that failed; the text names the warehouse, the cause and what to do.

    `away` is true where the warehouse could not be reached, so that the same statement may work later.
    """

    def __init__(self, text: str, *, away: bool = False) -> None:
        super().__init__(text)
        self.away = away
