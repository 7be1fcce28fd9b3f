"""The watch itself: each watch and the trigger leave a sign of life; another one looks at it."""

from __future__ import annotations

from datetime import datetime, timedelta

from include.alerts.message import lasting
from include.contracts.loader import PLATFORM
from include.monitors.verdict import Kind, Verdict

#: A watch runs each minute and takes some seconds; the trigger beats each fifteen.
SILENT = {
    "watch_connectors": timedelta(seconds=150),
    "watch_ingestion": timedelta(seconds=150),
    "trigger": timedelta(seconds=75),
}
_ASSET = {"trigger": "watch_connectors"}
_LACKS = {
    "watch_connectors": "Connectors are not watched",
    "watch_ingestion": "Rows, gaps and generators are not watched",
    "trigger": "A failed connector is seen by the minute's schedule only",
}
_LOOK = {
    "trigger": "See that Airflow's triggerer runs: `floodgate logs airflow-triggerer`, or its pod.",
}


def judge(subject: str, beat: datetime | None, now: datetime, *, paused: bool | None) -> Verdict:
    """`beat`: the last sign of life; None before the first. `paused`: by a person; None where Airflow did not tell."""

    def verdict(kind: Kind, **words: str) -> Verdict:
        return Verdict(
            rule="watch_silent",
            subject=subject,
            kind=kind,
            domain=PLATFORM,
            asset=_ASSET.get(subject, subject),
            **words,  # type: ignore[arg-type]
        )

    if paused:
        return verdict(Kind.FINE, normal="It is paused on purpose.")
    if beat is None or paused is None:
        return verdict(Kind.BLIND)
    silent = now - beat
    if silent > SILENT[subject]:
        return verdict(
            Kind.FIRING,
            headline=f"No sign of life for {lasting(silent.total_seconds())} "
            f"(expected within {lasting(SILENT[subject].total_seconds())}). {_LACKS[subject]}.",
            act=_LOOK.get(subject, "See its last runs in Airflow, and that the scheduler has room for tasks."),
        )
    return verdict(Kind.FINE, normal="It gives signs of life again.")
