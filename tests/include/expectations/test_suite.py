from pathlib import Path

import pytest

from include.contracts import domains
from include.expectations import SuiteError, load


@pytest.mark.parametrize("domain", domains())
def test_every_domain_has_a_suite(domain: str) -> None:
    suite = load(domain)
    assert any(one.severity == "critical" for table in suite.tables.values() for one in table.expectations)


def _write(folder: Path, body: str) -> Path:
    (folder / "x.yml").write_text(body)
    return folder


ONE = "domain: x\ntables: {stg_x__a: {expectations: [%s]}}\n"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("domain: y\ntables: {}\n", "'y' is not 'x'"),
        ("domain: [", "not YAML"),
        (ONE % "{name: a, severity: fatal, why: w, rows: 'select 1 from {batch}'}", r"Invalid enum value 'fatal'"),
        (ONE % "{name: a, severity: info, why: ' ', rows: 'select 1 from {batch}'}", "why is empty"),
        (ONE % "{name: a, severity: info, why: w, rows: select 1 from t}", "does not read {batch}"),
        (ONE % "{name: a, severity: info, why: w, rows: 'select 1 from {batch} b'}", "alias"),
        (ONE % "{name: a, severity: info, why: w, rows: 'select {x} from {batch}'}", "a brace that is not {batch}"),
        (ONE % "{name: a, severity: info, why: w, rows: 'select 1 } from {batch}'}", "a brace that is not {batch}"),
        (ONE % "{name: a, severity: info, why: w}", "needs either rows or type"),
        (ONE % "{name: a, severity: info, why: w, type: t}, {name: a, severity: info, why: w, type: t}", "named twice"),
        (ONE % "{name: a, severity: info, why: w, typ: t}", "unknown field `typ`"),
    ],
)
def test_a_mistake_is_told_with_its_file(tmp_path: Path, body: str, complaint: str) -> None:
    with pytest.raises(SuiteError, match=r"x\.yml: ") as told:
        load("x", _write(tmp_path, body))
    assert complaint in str(told.value)


def test_a_join_may_give_the_batch_an_alias(tmp_path: Path) -> None:
    good = ONE % "{name: a, severity: info, why: w, rows: 'select 1 from {batch} b join c on b.x = c.x'}"
    assert load("x", _write(tmp_path, good)).tables["stg_x__a"].expectations[0].name == "a"


def test_a_domain_without_a_suite_is_told_what_that_means(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="no gate"):
        load("x", tmp_path)
