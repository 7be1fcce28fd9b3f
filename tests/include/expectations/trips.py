"""A small staging that every suite passes, and for each expectation the input that trips it and no other."""

from __future__ import annotations

from typing import NamedTuple

from tests.include.expectations.staged import Row

ORDERS, PRODUCTS = "stg_ecommerce__orders", "stg_ecommerce__products"
CUSTOMERS, SHIPMENTS = "stg_ecommerce__customers", "stg_ecommerce__shipments"
TRADES = "stg_coinbase__trades"
CLICKS, LINES = "stg_fashion__clicks", "stg_fashion__transactions"
PAGES, LISTENS = "stg_eventsim__page_views", "stg_eventsim__listens"
CHANGES, AUTHS = "stg_eventsim__status_changes", "stg_eventsim__auths"
VISITS = "stg_clickstream__events"


def _order(number: int, product: int, customer: int, quantity: int, total: str) -> Row:
    return {
        "event_id": f"e-{number}",
        "order_id": f"o-{number}",
        "product_id": product,
        "customer_id": customer,
        "quantity": quantity,
        "total_usd": total,
    }


def _line(number: int, booking: str | None, total: str | None, **fields: object) -> Row:
    paid = {"payment_method": "OVO", "payment_status": "Success"}
    return {"transaction_id": number, "booking_id": booking, "total_idr": total} | paid | fields


def _click(number: int, **fields: object) -> Row:
    return {"click_id": number, "session_id": "s-1", "event_name": "CLICK", "traffic_source": "WEB"} | fields


def _trade(number: int, **fields: object) -> Row:
    known = {"ticker_id": f"generated/BTC-USD/{number}", "market": "generated", "product_id": "BTC-USD"}
    known |= {"sequence": number, "trade_id": number, "side": "buy", "price_usd": "10.00", "size_coins": "0.50"}
    known |= {"low_24h_usd": "9.00", "high_24h_usd": "11.00", "best_bid_usd": "9.99", "best_ask_usd": "10.00"}
    return known | fields


def _page(number: int, page: str = "Home", user: int | None = 7, **fields: object) -> Row:
    """A page of a session of its own; without a user a guest's."""
    song = {} if page == "NextSong" else {"artist": None, "song": None, "duration_s": None}
    auth = {"auth": "Guest" if user is None else "Logged In", "level": "free", "zip": "02108"}
    of = {"event_id": f"p-{number}", "session_id": number, "page": page, "user_id": user, "item_in_session": 0}
    return {**of, **song, **auth, **fields}


def _event(number: int, **fields: object) -> Row:
    return {"event_id": f"e-{number}", "user_id": 7, "level": "free", "zip": "02108", **fields}


def _visit(number: int, event_name: str, second: int, **fields: object) -> Row:
    """One event of a visit; of the shop's cart it says nothing."""
    cart = dict.fromkeys(("product_id", "quantity", "cart_pieces", "cart_usd", "query", "promo_code", "order_status"))
    told = {"event_id": f"v-{number}", "session_id": "s-1", "event_name": event_name, "channel": "Direct"}
    return told | cart | {"happened_at": f"2024-01-01 12:00:{second:02d}.000"} | fields


#: The bounds of what may be are in it, and the nulls that only columns without an expectation may have.
GOOD: dict[str, list[Row]] = {
    PRODUCTS: [
        {"event_id": "p-1", "product_id": 1, "price_usd": "10.00"},
        {"event_id": "p-2", "product_id": 2, "price_usd": "0.01"},
    ],
    CUSTOMERS: [
        {
            "event_id": "c-1",
            "customer_id": 1,
            "email": "ana@example.com",
            "name": "Ana",
            "address": "1 Elm",
            "zip": "00123",
        },
        {"event_id": "c-2", "customer_id": 2, "email": "b@c", "name": "Bo", "address": "2 Elm", "zip": "00124"},
    ],
    ORDERS: [_order(1, 1, 1, 1, "10.00"), _order(2, 2, 2, 10, "0.10"), _order(3, 1, 2, 2, "20.00")],
    SHIPMENTS: [
        {"event_id": "s-1-0", "order_id": "o-1", "status": 0, "cost_usd": "0.00"},
        {"event_id": "s-1-1", "order_id": "o-1", "status": 1},
        {"event_id": "s-1-2", "order_id": "o-1", "status": 2},
        {
            "event_id": "s-9-0",
            "order_id": "o-9",
            "status": 0,
            "modified_at": "2023-12-31 12:00:00.000",
        },  # its order is to come
    ],
    TRADES: [
        _trade(1, price_usd="9.00"),
        _trade(2, price_usd="11.00", side="sell", size_coins="0.01"),
        _trade(3, product_id="ETH-USD", trade_id=1),
        _trade(4, market="exchange", trade_id=1),
    ],
    PAGES: [
        _page(1, lat=-90),
        _page(1, item_in_session=1, event_id="p-1b", page="NextSong", artist="Ana", song="Rain", duration_s="1.000"),
        _page(2, user=None, lat=90),
        _page(3, auth="Logged Out", user=None, level="paid"),
        _page(4, user=8, auth="Cancelled"),
        _page(5, user=8, viewed_at="2024-01-01 11:00:00.000"),
    ],
    LISTENS: [_event(1, duration_s="1.000"), _event(2, duration_s="3600.000")],
    CHANGES: [_event(1), _event(2, auth="Cancelled")],
    AUTHS: [_event(1, has_succeeded=True), _event(2, has_succeeded=False, user_id=None)],
    CLICKS: [_click(1), _click(2, event_name="BOOKING", product_id=None, payment_status="Success")],
    LINES: [
        _line(1, "b-1", "100.00"),
        _line(2, "b-1", "100.00", promo_code=None),
        _line(3, "b-2", "0.00", payment_method="LinkAja", payment_status="Failed"),
    ],
    VISITS: [
        _visit(1, "Search", 1, query="pixel 8"),
        _visit(2, "AddToCart", 2, product_id=1, quantity=1, cart_pieces=1, cart_usd="0.01"),
        _visit(3, "DeleteFromCart", 3, product_id=1, quantity=0, cart_pieces=0, cart_usd="0.00"),
        _visit(4, "Checkout", 4, cart_pieces=1, cart_usd="0.01"),
        _visit(5, "CompleteOrder", 4, cart_pieces=1, cart_usd="0.01", order_status="Failed"),
        _visit(6, "Search", 1, session_id="s-2", channel="Other"),
    ],
}


class Trip(NamedTuple):
    """Rows added to the good ones of a table (None: the table is emptied), and what the gate must say of them."""

    table: str
    add: list[Row] | None
    count: int
    sample: str


#: A domain's expectations, each with what trips it.
TRIPS: dict[str, dict[str, Trip]] = {
    "coinbase": {
        "trades_have_landed": Trip(TRADES, None, 0, "observed 0"),
        "ticker_ids_are_unique": Trip(TRADES, [_trade(1, trade_id=9)], 2, "ticker_id=generated/BTC-USD/1"),
        "trade_ids_are_unique_within_a_product": Trip(
            TRADES, [_trade(9, trade_id=2)], 1, "market=generated, product_id=BTC-USD, trade_id=2, records=2"
        ),
        "prices_are_positive": Trip(
            TRADES,
            [_trade(9, price_usd="0.00", low_24h_usd="0.00")],
            1,
            "ticker_id=generated/BTC-USD/9, price_usd=0.00",
        ),
        "sizes_are_positive": Trip(
            TRADES, [_trade(9, size_coins="-0.01")], 1, "ticker_id=generated/BTC-USD/9, size_coins=-0.01"
        ),
        "sides_are_known": Trip(TRADES, [_trade(9, side="both")], 1, "ticker_id=generated/BTC-USD/9, side=both"),
        "offers_are_apart": Trip(
            TRADES,
            [_trade(9, best_bid_usd="10.00"), _trade(10, best_bid_usd="10.01")],
            2,
            "ticker_id=generated/BTC-USD/9, best_bid_usd=10.00, best_ask_usd=10.00",
        ),
        "prices_lie_within_their_day": Trip(
            TRADES,
            [_trade(9, price_usd="8.99"), _trade(10, price_usd="11.01")],
            2,
            "ticker_id=generated/BTC-USD/9, low_24h_usd=9.00, price_usd=8.99, high_24h_usd=11.00",
        ),
        "trades_are_not_of_the_future": Trip(
            TRADES,
            [_trade(9, traded_at="2024-01-01 12:00:07.000")],
            1,
            "ticker_id=generated/BTC-USD/9, traded_at=2024-01-01 12:00:07, landed_at=2024-01-01 12:00:00",
        ),
    },
    "ecommerce": {
        "orders_have_landed": Trip(ORDERS, None, 0, "observed 0"),
        "order_ids_are_unique": Trip(ORDERS, [_order(1, 1, 1, 1, "10.00")], 2, "order_id=o-1"),
        "order_totals_are_price_times_quantity": Trip(
            ORDERS, [_order(4, 1, 1, 2, "19.99")], 1, "order_id=o-4, quantity=2, price_usd=10.00, total_usd=19.99"
        ),
        "orders_name_products_that_exist": Trip(ORDERS, [_order(4, 7, 1, 1, "1.00")], 1, "order_id=o-4, product_id=7"),
        "orders_name_customers_that_exist": Trip(
            ORDERS, [_order(4, 1, 7, 1, "10.00")], 1, "order_id=o-4, customer_id=7"
        ),
        "quantities_are_from_1_to_10": Trip(
            ORDERS, [_order(4, 1, 1, 11, "110.00"), _order(5, 1, 1, 0, "0.00")], 2, "order_id=o-4, quantity=11"
        ),
        "product_ids_are_unique": Trip(
            PRODUCTS, [{"event_id": "p-9", "product_id": 1, "price_usd": "10.00"}], 2, "product_id=1"
        ),
        "prices_are_positive": Trip(
            PRODUCTS, [{"event_id": "p-3", "product_id": 3, "price_usd": "0.00"}], 1, "product_id=3, price_usd=0.00"
        ),
        "customer_ids_are_unique": Trip(
            CUSTOMERS, [{"event_id": "c-9", "customer_id": 1, "email": "a@b"}], 2, "customer_id=1"
        ),
        "customers_can_be_written_to": Trip(
            CUSTOMERS, [{"event_id": "c-3", "customer_id": 3, "email": "nobody@"}], 1, "customer_id=3, email=***"
        ),
        "shipment_states_are_known": Trip(
            SHIPMENTS, [{"event_id": "s-2-0", "order_id": "o-2", "status": 3}], 1, "order_id=o-2, status=3"
        ),
        "shipping_costs_are_not_negative": Trip(
            SHIPMENTS,
            [{"event_id": "s-2-0", "order_id": "o-2", "status": 0, "cost_usd": "-0.01"}],
            1,
            "order_id=o-2, cost_usd=-0.01",
        ),
        "shipments_follow_orders": Trip(
            SHIPMENTS,
            [{"event_id": "s-2-0", "order_id": "o-2", "status": 0, "modified_at": "2024-01-01 11:59:59.000"}],
            1,
            "order_id=o-2, status=0, modified_at=2024-01-01 11:59:59",
        ),
    },
    "eventsim": {
        "page_views_have_landed": Trip(PAGES, None, 0, "observed 0"),
        "page_view_ids_are_unique": Trip(PAGES, [_page(9, event_id="p-1")], 2, "event_id=p-1"),
        "pages_have_a_place_of_their_own_in_the_session": Trip(
            PAGES, [_page(2, event_id="p-9", user=None)], 1, "session_id=2, item_in_session=0, pages=2"
        ),
        "users_are_named_where_they_are_logged_in_and_nowhere_else": Trip(
            PAGES,
            [_page(9, auth="Guest"), _page(10, user=None, auth="Logged In")],
            2,
            "event_id=p-9, auth=Guest, user_id=7",
        ),
        "page_view_levels_are_known": Trip(PAGES, [_page(9, level="gold")], 1, "event_id=p-9, level=gold"),
        "page_view_auths_are_known": Trip(PAGES, [_page(9, auth="Banned")], 1, "event_id=p-9, auth=Banned"),
        "songs_stand_on_the_page_next_song_alone": Trip(
            PAGES,
            [_page(9, artist="Ana"), _page(10, "NextSong", duration_s=None)],
            2,
            "event_id=p-9, page=Home, artist=Ana",
        ),
        "nobody_comes_back_after_cancelling": Trip(
            PAGES,
            [_page(9, user=8, viewed_at="2024-01-01 12:00:00.001")],
            1,
            "event_id=p-9, user_id=8",
        ),
        "postal_codes_have_five_digits": Trip(PAGES, [_page(9, zip="2108")], 1, "event_id=p-9, zip=***"),
        "latitudes_are_on_earth": Trip(PAGES, [_page(9, lat=-122.5)], 1, "event_id=p-9, lat=-122.5"),
        "listen_ids_are_unique": Trip(LISTENS, [_event(1)], 2, "event_id=e-1"),
        "listens_name_their_users": Trip(LISTENS, [_event(9, user_id=None)], 1, "event_id=e-9, user_id=null"),
        "songs_last_from_a_second_to_an_hour": Trip(
            LISTENS,
            [_event(9, duration_s="0.125"), _event(10, duration_s="200000.000")],
            2,
            "event_id=e-9, duration_s=0.125",
        ),
        "status_change_ids_are_unique": Trip(CHANGES, [_event(1)], 2, "event_id=e-1"),
        "status_changes_name_their_users": Trip(CHANGES, [_event(9, user_id=None)], 1, "event_id=e-9, user_id=null"),
        "auth_ids_are_unique": Trip(AUTHS, [_event(1)], 2, "event_id=e-1"),
        "only_a_login_that_succeeds_names_somebody": Trip(
            AUTHS,
            [_event(9, has_succeeded=False), _event(10, has_succeeded=True, user_id=None)],
            2,
            "event_id=e-9, user_id=7",
        ),
    },
    "clickstream": {
        "events_have_landed": Trip(VISITS, None, 0, "observed 0"),
        "event_ids_are_unique": Trip(VISITS, [_visit(1, "Search", 9)], 2, "event_id=v-1"),
        "events_belong_to_a_session": Trip(
            VISITS, [_visit(9, "Search", 9, session_id=None)], 1, "event_id=v-9, session_id=null"
        ),
        "event_names_are_known": Trip(VISITS, [_visit(9, "Swim", 9)], 1, "event_id=v-9, event_name=Swim"),
        "carts_are_never_below_zero": Trip(
            VISITS,
            [_visit(9, "DecreaseQuantity", 9, product_id=1, quantity=-1, cart_pieces=0, cart_usd="0.00")],
            1,
            "event_id=v-9, event_name=DecreaseQuantity, quantity=-1, cart_pieces=0, cart_usd=0.00",
        ),
        "orders_say_what_was_bought": Trip(
            VISITS,
            [
                _visit(8, "CompleteOrder", 9, cart_pieces=1, cart_usd="1.00"),
                _visit(9, "CompleteOrder", 9, cart_pieces=0, cart_usd="0.00", order_status="Success"),
            ],
            2,
            "event_id=v-8, order_status=null, cart_pieces=1, cart_usd=1.00",
        ),
        "channels_are_known": Trip(
            VISITS, [_visit(9, "Search", 9, session_id="s-3", channel="TV")], 1, "event_id=v-9, channel=TV"
        ),
        "sessions_come_by_one_channel": Trip(
            VISITS, [_visit(9, "Search", 9, channel="Referral")], 1, "session_id=s-1, channels=2"
        ),
        "orders_follow_a_checkout": Trip(
            VISITS,
            [
                _visit(8, "CompleteOrder", 3, cart_pieces=1, cart_usd="1.00", order_status="Success"),
                _visit(
                    9,
                    "CompleteOrder",
                    9,
                    session_id="s-2",
                    channel="Other",
                    cart_pieces=1,
                    cart_usd="1.00",
                    order_status="Failed",
                ),
            ],
            2,
            "event_id=v-8, session_id=s-1, event_name=CompleteOrder",
        ),
    },
    "fashion": {
        "clicks_have_landed": Trip(CLICKS, None, 0, "observed 0"),
        "click_ids_are_unique": Trip(CLICKS, [_click(1)], 2, "click_id=1"),
        "clicks_belong_to_a_session": Trip(CLICKS, [_click(3, session_id=None)], 1, "click_id=3, session_id=null"),
        "click_events_are_known": Trip(CLICKS, [_click(3, event_name="SWIM")], 1, "click_id=3, event_name=SWIM"),
        "clicks_say_when": Trip(CLICKS, [_click(3, clicked_at=None)], 1, "click_id=3, clicked_at=null"),
        "traffic_sources_are_known": Trip(CLICKS, [_click(3, traffic_source="TV")], 1, "click_id=3, traffic_source=TV"),
        "transaction_ids_are_unique": Trip(LINES, [_line(1, "b-1", "100.00")], 2, "transaction_id=1"),
        "line_items_belong_to_a_booking": Trip(LINES, [_line(4, None, "5.00")], 1, "transaction_id=4, booking_id=null"),
        "line_items_say_what_was_paid": Trip(
            LINES,
            [
                _line(4, "b-3", None),
                _line(5, "b-3", "1.00", payment_status=None),
            ],
            2,
            "transaction_id=4, total_idr=null, payment_status=Success",
        ),
        "line_items_of_a_booking_agree": Trip(
            LINES,
            [_line(4, "b-1", "101.00")],
            1,
            "booking_id=b-1, line_items=3, least_total=100.00, greatest_total=101.00",
        ),
        "booking_totals_are_not_negative": Trip(
            LINES, [_line(4, "b-3", "-0.01")], 1, "transaction_id=4, total_idr=-0.01"
        ),
        "payment_methods_are_known": Trip(
            LINES, [_line(4, "b-3", "1.00", payment_method="Cash")], 1, "transaction_id=4, payment_method=Cash"
        ),
        "payments_succeed_or_fail": Trip(
            LINES, [_line(4, "b-3", "1.00", payment_status="Pending")], 1, "transaction_id=4, payment_status=Pending"
        ),
    },
}
