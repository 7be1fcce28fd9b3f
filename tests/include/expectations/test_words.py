from datetime import UTC, datetime, timedelta

from include.alerts import Severity, plain
from include.expectations import Failure, GateResult, words
from include.expectations.verdict import from_json

SINCE = datetime(2026, 3, 1, 14, 2, tzinfo=UTC)
TOTALS = Failure(
    expectation="order_totals_are_price_times_quantity",
    table="stg_ecommerce__orders",
    severity="critical",
    why="A total unlike price x quantity makes every revenue figure wrong.",
    count=41,
    total=2310,
    samples=("order_id=17, total_usd=12.00",),
)
ODD = Failure(expectation="odd", table="t", severity="warning", why="Odd.", count=1, total=9, samples=("x=1",))


def result(*failures: Failure) -> GateResult:
    return GateResult(domain="ecommerce", warehouse="snowflake", expectations=12, seconds=1.5, failures=failures)


def test_held_names_expectation_count_total_samples_and_run() -> None:
    assert plain(words.held(result(TOTALS, ODD), SINCE, "http://run")) == (
        "HELD ecommerce marts, Snowflake: 41 of 2,310 rows of stg_ecommerce__orders fail "
        "order_totals_are_price_times_quantity. A total unlike price x quantity makes every revenue figure wrong. "
        "Since 2026-03-01 14:02 UTC.\n"
        "Expectation: order_totals_are_price_times_quantity: 41 of 2,310\n"
        "  order_totals_are_price_times_quantity: order_id=17, total_usd=12.00\n"
        "The marts stay as they were and readable; every run asks again and publishes when the rows are right.\n"
        "Correct or remove the rows in stg_ecommerce__orders; the run's gate task has the whole result.\n"
        "Runbook: docs/runbooks/marts_held.md\n"
        "Run: http://run"
    )


def test_an_empty_table_is_called_empty() -> None:
    none = Failure(expectation="orders_landed", table="t", severity="critical", why="So?", count=0, total=0)
    text = plain(words.held(result(none), SINCE))
    assert "t is empty, so orders_landed fails. So?" in text
    assert "Expectation: orders_landed: no rows" in text


def test_a_warning_says_that_marts_are_published() -> None:
    message = words.warned(result(ODD), SINCE)
    assert message.severity is Severity.WARNING
    assert "1 of 9 rows of t fail odd. Odd." in plain(message)
    assert "The marts are published." in plain(message)


def test_normal_says_how_long_it_was_held() -> None:
    message = words.normal(result(), SINCE, SINCE + timedelta(minutes=11))
    assert plain(message) == "NORMAL ecommerce marts, Snowflake: All 12 expectations hold; held for 11 min."


def test_normal_does_not_claim_what_still_fails() -> None:
    message = words.normal(result(ODD), SINCE, SINCE + timedelta(minutes=11))
    assert "11 of 12 expectations hold, all critical ones among them; held for 11 min." in plain(message)


def test_samples_of_each_failure_are_shown() -> None:
    many = Failure(expectation="m", table="t", severity="critical", why="w", count=9, total=9, samples=("a",) * 5)
    assert words.held(result(many, TOTALS), SINCE).samples == (
        "m: a",
        "m: a",
        f"{TOTALS.expectation}: {TOTALS.samples[0]}",
    )


def test_only_critical_failures_hold() -> None:
    assert not result(TOTALS, ODD).passed
    assert result(ODD).passed


def test_a_result_survives_xcom() -> None:
    assert from_json(result(TOTALS, ODD).to_json()) == result(TOTALS, ODD)
