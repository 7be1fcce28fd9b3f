"""What goes wrong with a warehouse."""

PREPARE = "run the DAG prepare, which makes every contract's tables; what it reports as drift is for you to add"


def rights(conn_id: str, login: str) -> str:
    """What to do where a login may not do something."""
    return f"let user {login!r} of connection {conn_id} do this"


class WarehouseError(Exception):
    """A statement or sign-in that failed; the text names the warehouse, the cause and what to do.

    `away` is true where the warehouse could not be reached, so that the same statement may work later.
    """

    def __init__(self, text: str, *, away: bool = False) -> None:
        super().__init__(text)
        self.away = away
