import pytest

from include.connections import Endpoint
from include.warehouses import WarehouseError
from include.warehouses.snowflake import private_key_pem


@pytest.mark.parametrize("content", ["not base64!", "abc", "/////w=="], ids=["letters", "length", "bytes"])
def test_a_key_that_is_none_names_the_connection_and_not_the_key(content: str) -> None:
    with pytest.raises(WarehouseError, match="snowflake_history: private_key_content") as told:
        private_key_pem(Endpoint(conn_id="snowflake_history", extra={"private_key_content": content}))
    assert content not in str(told.value)
