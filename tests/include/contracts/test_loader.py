import shutil
from pathlib import Path

import pytest

from include.contracts import ContractError, all_contracts, domains, load
from include.contracts.contract import Sequence
from include.contracts.loader import FOLDER, read


def test_every_domain_and_the_platform_load() -> None:
    assert {"ecommerce", "fashion"} <= set(domains())
    assert [contract.domain for contract in all_contracts()] == [*domains(), "floodgate"]


def test_orders_as_the_code_sees_them() -> None:
    orders = load("ecommerce").topic("orders")
    assert (orders.table, orders.key, orders.event_id, orders.partitions) == ("orders", "id", ("event_id",), 3)
    assert orders.retention_s == 7 * 86400
    assert orders.floor == 1
    total = next(field for field in orders.fields if field.name == "total_price")
    assert total.decimal == (12, 2)
    assert total.required


def test_a_sequence_is_a_field_within_another(tmp_path: Path) -> None:
    path = tmp_path / "ecommerce.odcs.yaml"
    text = (FOLDER / "ecommerce.odcs.yaml").read_text()
    given = "{property: landingTable, value: shipments}"
    path.write_text(
        text.replace(given, f"{given}, {{property: sequence, value: {{field: revision_number, by: order_id}}}}")
    )
    assert read(path).topic("shipments").sequence == Sequence(field="revision_number", by="order_id")
    assert load("ecommerce").topic("shipments").sequence is None


def test_three_topics_of_shipments_end_in_one_table() -> None:
    names = [topic.name for topic in load("ecommerce").tables["shipments"]]
    assert names == ["shipments", "shipment_dispatches", "shipment_completions"]


def test_unknown_domain_and_topic_say_what_there_is() -> None:
    with pytest.raises(ContractError, match=f"there are {', '.join(domains())}"):
        load("nope")
    with pytest.raises(KeyError, match="it has shops, products"):
        load("ecommerce").topic("nope")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "name: quantity, logicalType: integer",
            "name: quantity, logicalTyp: integer",
            "schema.orders.properties.quantity: ",
        ),
        (
            "physicalType: int, required: true, logicalTypeOptions: {minimum: 1, maximum: 10}",
            "physicalType: uuid",
            "orders.quantity: physicalType 'uuid' does not fit a integer",
        ),
        ("name: quantity", "name: Quantity", "orders.Quantity: a field's name is letters, digits"),
        ("name: quantity", "name: id", "orders.id: named twice"),
        ("minimum: 1, maximum: 10", "minimum: 11, maximum: 10", "orders.quantity: minimum 11.0 is above maximum 10.0"),
        ('pattern: "^(S|M|L|XL)$"', 'pattern: "(S"', "products.size: pattern '(S' is no regular expression"),
        ("name: orders", "name: or ders", "schema.or ders: not a name Kafka takes"),
        ("element: orders", "element: nope", "slaProperties.floor: element 'nope' is no topic"),
        ("size: [1, 20]", "size: [20, 1]", "customProperties.burst.size: [20, 1] must be [least, most]"),
        ("size: [1, 20], ", "", "customProperties.burst: Object missing required field `size`"),
        ("domain: ecommerce", "domain: shop", "domain: 'shop' and id 'ecommerce' must be 'ecommerce'"),
        ("apiVersion: v3.1.0", "apiVersion: v2.2.0", "apiVersion: v2.2.0 is not v3.1"),
        (
            "{property: key, value: order_id}",
            "{property: key, value: nope}",
            "schema.shipments.customProperties: 'nope' leads to no field",
        ),
        (
            "{property: landingTable, value: shipments}",
            "{property: landingTabel, value: shipments}",
            "unknown property 'landingTabel'",
        ),
        (
            "{property: landingTable, value: shipments}",
            "{property: landingDays, value: 0}",
            "schema.shipments.customProperties.landingDays: 0 is not a number of days",
        ),
        ("name: shipment_dispatches", "name: orders", "schema.orders: named twice"),
        (
            "{property: landingTable, value: shipments}",
            "{property: sequence, value: {field: nope, by: status}}",
            "schema.shipments.customProperties.sequence: 'nope' leads to no field",
        ),
        (
            "{property: landingTable, value: shipments}",
            "{property: sequence, value: {field: order_id, by: status}}",
            "schema.shipments.customProperties.sequence: 'order_id' is no integer",
        ),
        (
            "{property: landingTable, value: shipments}",
            "{property: sequence, value: {field: revision_number}}",
            "schema.shipments.customProperties.sequence: Object missing required field `by`",
        ),
    ],
)
def test_a_mistake_is_told_with_file_and_field(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "ecommerce.odcs.yaml"
    text = (FOLDER / "ecommerce.odcs.yaml").read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ContractError) as told:
        read(path)
    assert complaint in str(told.value)
    assert str(told.value).startswith("ecommerce.odcs.yaml: ")


def test_topics_of_one_table_must_have_one_schema(tmp_path: Path) -> None:
    path = tmp_path / "ecommerce.odcs.yaml"
    shutil.copy(FOLDER / "ecommerce.odcs.yaml", path)
    path.write_text(
        path.read_text().replace("(status 2)., properties: *shipment_fields}", "(status 2)., properties: []}")
    )
    with pytest.raises(ContractError, match="lands in table shipments with shipments but its properties differ"):
        read(path)


def test_not_yaml_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.odcs.yaml"
    path.write_text("schema: [")
    with pytest.raises(ContractError, match=r"^x\.odcs\.yaml: not YAML: "):
        read(path)
