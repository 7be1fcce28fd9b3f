import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest

from include.contracts import load
from include.contracts.json_schema import json_schema
from include.generators import Window, burst
from include.generators.fashion_replay import CLICKS, TRANSACTIONS, ReplayError, read

CONTRACT = load("fashion")
START = datetime(2024, 5, 1, 12, tzinfo=UTC)
REAL = Path(__file__).parents[4] / "shared" / "data"
REAL_CLICKS, REAL_TRANSACTIONS = REAL / "fashion-campus-clicks.csv", REAL / "fashion-campus-transactions.csv"

CLICK_COLUMNS = (
    "session_id,event_name,event_id,traffic_source,product_id,quantity,item_price,payment_status,search_keywords,"
    "promo_code,promo_amount,event_offset"
)
LINE_COLUMNS = (
    "customer_id,booking_id,session_id,payment_method,payment_status,promo_amount,promo_code,shipment_fee,"
    "shipment_location_lat,shipment_location_long,total_amount,product_id,quantity,item_price,event_offset"
)
UUID = "881ee7c6-6d21-49c8-9e2f-e5cae9ea68e7"
CLICK = f"s1,HOMEPAGE,{UUID},MOBILE,,,,,,,,3"
CART = f's1,ADD_TO_CART,{UUID},WEB,16285.0,2.0,379451.50,,"shirt, ""red""",,,0'
LINE = f"56249,{UUID},s1,OVO,Success,0,,10000,-6.760482681728943,107.14503817685424,234659,59595,1,224659,108"


@pytest.fixture
def clicks(tmp_path):
    return written(tmp_path / "clicks.csv", CLICK_COLUMNS, [CLICK, CART, *([CLICK] * 98)])


@pytest.fixture
def transactions(tmp_path):
    return written(tmp_path / "transactions.csv", LINE_COLUMNS, [LINE] * 4)


def written(path, header, lines):
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def part(replay, **options):
    name, made = replay.part(start=START, **options)
    return name, list(made)


def rows(made, topic):
    return [json.loads(event.value)["after"] for event in made if event.topic == topic]


def identity(made):
    values = [json.loads(event.value) for event in made]
    return [(value["source"]["table"], value["after"]["id"], value["source"]["lsn"]) for value in values]


def test_each_row_is_one_create_that_keeps_the_contract(clicks, transactions):
    _, made = part(read(CONTRACT, clicks=clicks, transactions=transactions))
    assert Counter(event.topic for event in made) == {CLICKS: 100, TRANSACTIONS: 4}
    for event in made:
        schema = json_schema(CONTRACT.topic(event.topic))
        jsonschema.Draft202012Validator(schema).validate(json.loads(event.value))
    assert {json.loads(event.value)["op"] for event in made} == {"c"}
    assert len(set(identity(made))) == 104


def test_cells_become_what_the_contract_says(clicks, transactions):
    _, made = part(read(CONTRACT, clicks=clicks, transactions=transactions))
    first, cart = rows(made, CLICKS)[:2]
    assert (cart["product_id"], cart["quantity"], cart["item_price"]) == (16285, 2, 379451.5)
    assert b'"product_id":16285,"quantity":2,' in made[1].value
    assert cart["search_keywords"] == 'shirt, "red"'
    assert first["product_id"] is first["promo_code"] is first["payment_status"] is None
    line = rows(made, TRANSACTIONS)[0]
    assert (line["shipment_location_lat"], line["shipment_location_lon"]) == (-6.760482681728943, 107.14503817685424)
    assert (line["total_amount"], line["promo_code"], line["created_at"]) == (234659, None, "2024-05-01T12:01:48.000Z")


def test_waits_add_up(clicks):
    _, made = part(read(CONTRACT, clicks=clicks))
    assert [event.time_ms for event in made[:4]] == [
        int(START.timestamp() * 1000) + ms for ms in (3000, 3000, 6000, 9000)
    ]


@pytest.mark.parametrize("speed", [1, "2", 7, 0.5, "1.3", 60])
@pytest.mark.parametrize("seconds", [7, 120])
def test_windows_in_a_row_miss_and_repeat_nothing(clicks, transactions, speed, seconds):
    in_windows(read(CONTRACT, clicks=clicks, transactions=transactions), speed, seconds)


def test_a_window_may_end_within_a_millisecond_of_the_file(tmp_path):
    short = CLICK.rpartition(",")[0] + ",0.001"
    in_windows(read(CONTRACT, clicks=written(tmp_path / "short.csv", CLICK_COLUMNS, [short] * 1000)), "0.3333", 1)


def in_windows(replay, speed, seconds):
    """Replays all of it in windows in a row, and compares with all at once."""
    _, whole = part(replay)
    begin, made, names = START - timedelta(seconds=seconds), [], set()
    while begin < replay.ends(START, speed) + timedelta(seconds=1):
        window = Window(begin, begin + timedelta(seconds=seconds))
        name, some = replay.within(window, start=START, speed=speed)
        some = list(some)
        assert all(window.start_ms <= event.time_ms < window.end_ms for event in some)
        names.add(str(name))
        made += some
        begin = window.end
    assert sorted(identity(made)) == sorted(identity(whole))
    assert len(names) > 1
    times = [event.time_ms for event in made]
    assert times == sorted(times)


def test_parts_miss_and_repeat_nothing(clicks, transactions):
    whole = part(read(CONTRACT, clicks=clicks, transactions=transactions))[1]
    replay = read(CONTRACT, clicks=clicks, transactions=transactions, part_rows=33)
    parts = [part(replay, number=number) for number in range(replay.parts)]
    assert [len(made) for _, made in parts] == [37, 33, 33, 1]
    assert sorted(identity([event for _, made in parts for event in made])) == sorted(identity(whole))
    assert len({str(name) for name, _ in parts}) == 4
    with pytest.raises(ValueError, match="there are parts 0 to 3"):
        replay.part(4, start=START)


def test_a_file_counts_once_however_often_it_is_replayed(clicks, transactions, tmp_path):
    copy = tmp_path / "elsewhere.csv"
    copy.write_bytes(clicks.read_bytes())
    first, second = read(CONTRACT, clicks=clicks), read(CONTRACT, clicks=copy)
    later = START + timedelta(days=3)
    name, made = second.part(start=later)
    assert (str(name), identity(list(made))) == (str(part(first)[0]), identity(part(first)[1]))
    window = Window(later, later + timedelta(minutes=2))
    name, made = first.within(window, start=later, speed=10)
    other = first.within(Window(START, START + timedelta(minutes=2)), start=START, speed="10")
    assert (str(name), identity(list(made))) == (str(other[0]), identity(list(other[1])))


def test_another_content_is_another_file(clicks, tmp_path):
    other = written(tmp_path / "other.csv", CLICK_COLUMNS, [CLICK, CLICK])
    assert not set(identity(part(read(CONTRACT, clicks=clicks))[1])) & set(
        identity(part(read(CONTRACT, clicks=other))[1])
    )


def test_log_positions_rise_with_rows(clicks):
    made = identity(part(read(CONTRACT, clicks=clicks))[1])
    assert all(a[2] < b[2] < 1 << 53 for a, b in pairwise(made))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (CART.replace("2.0", "two"), "bad.csv line 3, column quantity: 'two' is no number"),
        (CART.replace("2.0", "2.5"), "column quantity: '2.5' is no whole number"),
        (CART.replace("2.0", "nan"), "column quantity: 'nan' is no number a record can hold"),
        (CART.replace("2.0", "1_0"), "column quantity: '1_0' is no number"),
        (CART.replace("16285.0", "99999999999999999"), "column product_id: '99999999999999999' is no number a record"),
        (CART.replace("379451.50", "1.005"), r"column item_price: '1.005' does not fit decimal\(14,2\)"),
        (CART.replace("379451.50", "9999999999999"), "column item_price: '9999999999999' does not fit"),
        (CLICK.replace("HOMEPAGE", "HOME"), "column event_name: 'HOME' does not fit"),
        (CLICK.replace("MOBILE", ""), "column traffic_source: empty, but each row needs it"),
        (CLICK.replace(UUID, "7"), "column event_id: '7' is no UUID"),
        (CLICK[:-1] + "soon", "column event_offset: 'soon' is no number of seconds"),
        (CLICK[:-1] + "-1", "column event_offset: '-1' is no time to wait"),
        (CLICK + ",7", "line 3: 13 cells under 12 columns"),
        (CLICK[:-2], "line 3: 11 cells under 12 columns"),
        ('"' + CLICK, "line 4: unexpected end of data"),
    ],
)
def test_a_bad_row_is_named_and_stops_everything(tmp_path, line, text):
    path = written(tmp_path / "bad.csv", CLICK_COLUMNS, [CLICK, line, CLICK])
    with pytest.raises(ReplayError, match=text):
        read(CONTRACT, clicks=path)


def test_bad_files_are_named(tmp_path, clicks):
    with pytest.raises(ReplayError, match=r"none\.csv: No such file.*: give the path"):
        read(CONTRACT, clicks=tmp_path / "none.csv")
    with pytest.raises(ReplayError, match="Is a directory"):
        read(CONTRACT, clicks=tmp_path)
    with pytest.raises(ReplayError, match="no file to replay"):
        read(CONTRACT)
    with pytest.raises(
        ReplayError, match=r"line 1: column customer_id, booking_id, .* missing for streaming\.public\.tra"
    ):
        read(CONTRACT, clicks=clicks, transactions=clicks)
    with pytest.raises(ReplayError, match="line 1: column session_id"):
        read(CONTRACT, clicks=written(tmp_path / "empty.csv", "", []))
    with pytest.raises(ReplayError, match="column quantity missing"):
        read(CONTRACT, clicks=written(tmp_path / "x.csv", CLICK_COLUMNS.replace("quantity", "pieces"), [CLICK]))
    with pytest.raises(ReplayError, match="column event_offset stands there twice"):
        read(CONTRACT, clicks=written(tmp_path / "y.csv", CLICK_COLUMNS + ",event_offset", [CLICK + ",1"]))
    (tmp_path / "latin.csv").write_bytes(CLICK_COLUMNS.encode() + b"\n" + CLICK.encode() + b"\n\xe9")
    with pytest.raises(ReplayError, match=r"latin\.csv line 3: not UTF-8"):
        read(CONTRACT, clicks=tmp_path / "latin.csv")


def test_a_file_without_rows_is_a_burst_without_events(tmp_path):
    replay = read(CONTRACT, clicks=written(tmp_path / "none.csv", CLICK_COLUMNS, []))
    assert (replay.parts, part(replay)[1]) == (1, [])


@pytest.mark.parametrize("speed", [0, -1, "fast", "1/0"])
def test_speeds_that_are_none(clicks, speed):
    with pytest.raises(ValueError, match="give a number above 0, or max"):
        read(CONTRACT, clicks=clicks).within(Window(START, START + timedelta(1)), start=START, speed=speed)


def test_a_burst_with_files_is_a_replay(clicks):
    window = Window(START, START + timedelta(minutes=2))
    name, made = burst(CONTRACT, window, seed=1, clicks=str(clicks))
    made = list(made)
    assert name.shard == read(CONTRACT, clicks=clicks).name + ".0"
    assert len(made) == 100
    # By itself it dates everything before the window: nothing lies in the future.
    assert made[-1].time_ms == window.start_ms
    options = {"clicks": clicks, "speed": "60", "replay_start": "2024-05-01T12:00:00Z"}
    assert len(list(burst(CONTRACT, window, seed=1, **options)[1])) == 100
    with pytest.raises(ValueError, match="needs replay_start"):
        burst(CONTRACT, window, seed=1, clicks=clicks, speed=60)
    with pytest.raises(ReplayError):
        burst(CONTRACT, window, seed=1, clicks=clicks.with_name("gone.csv"))


@pytest.mark.skipif(not REAL_CLICKS.exists(), reason="the real files are not here")
def test_the_real_files():
    import csv

    _, made = part(read(CONTRACT, clicks=REAL_CLICKS, transactions=REAL_TRANSACTIONS))
    assert Counter(event.topic for event in made) == {CLICKS: 6000, TRANSACTIONS: 400}
    with REAL_TRANSACTIONS.open() as file:
        revenue = sum({row["booking_id"]: int(row["total_amount"]) for row in csv.DictReader(file)}.values())
    assert sum({row["booking_id"]: row["total_amount"] for row in rows(made, TRANSACTIONS)}.values()) == revenue
