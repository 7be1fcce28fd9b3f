"""What the music service's marts must hold, in plain Python over the same records."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = dict[str, Any]


def key(*parts: str) -> str:
    return hashlib.md5("\x1f".join(parts).encode()).hexdigest()  # noqa: S324 - a name, no secret


def when(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def minute(ms: int) -> datetime:
    return when(ms // 60_000 * 60_000)


def place(record: Row) -> str:
    return key(record["city"], record["zip"], record["state"])


def sessions(pages: list[Row]) -> list[Row]:
    found = defaultdict(list)
    for page in pages:
        found[page["sessionId"]].append(page)
    rows = []
    for session, seen in found.items():
        seen.sort(key=lambda page: page["itemInSession"])
        songs = [page for page in seen if page["page"] == "NextSong"]
        users = {page["userId"] for page in seen if "userId" in page}
        assert len(users) <= 1
        rows.append(
            {
                "session_id": session,
                "user_id": next(iter(users), None),
                "location_id": place(seen[0]),
                "started_at": when(seen[0]["ts"]),
                "ended_at": when(seen[-1]["ts"]),
                "duration_s": (seen[-1]["ts"] - seen[0]["ts"]) // 1000,
                "page_views": len(seen),
                "listens": len(songs),
                "listened_s": sum((Decimal(str(page["duration"])) for page in songs), Decimal()),
                "first_page": seen[0]["page"],
                "last_page": seen[-1]["page"],
                "level_at_start": seen[0]["level"],
                "level_at_end": seen[-1]["level"],
                "has_error": any(page["status"] >= 400 for page in seen),
            }
        )
    return rows


def listens(played: list[Row]) -> list[Row]:
    return [
        {
            "event_id": one["event_id"],
            "session_id": one["sessionId"],
            "user_id": one["userId"],
            "song_id": key(one["artist"], one["song"]),
            "artist_id": key(one["artist"]),
            "location_id": place(one),
            "level": one["level"],
            "duration_s": Decimal(str(one["duration"])),
            "listened_at": when(one["ts"]),
        }
        for one in played
    ]


def users(pages: list[Row]) -> list[Row]:
    """A row for each user and time of a level."""
    named = defaultdict(list)
    for page in sorted(pages, key=lambda page: (page["ts"], page["itemInSession"])):
        if "userId" in page:
            named[page["userId"]].append(page)
    rows = []
    for user, seen in named.items():
        starts = [n for n, page in enumerate(seen) if n == 0 or page["level"] != seen[n - 1]["level"]]
        cancelled = [when(page["ts"]) for page in seen if page["auth"] == "Cancelled"]
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            rows.append(
                {
                    "user_id": user,
                    "first_name": seen[-1]["firstName"],
                    "zip": seen[-1]["zip"],
                    "registered_at": when(seen[-1]["registration"]),
                    "level": seen[start]["level"],
                    "valid_from": when(seen[start]["ts"]),
                    "valid_to": None if end is None else when(seen[end]["ts"]),
                    "is_current": end is None,
                    "cancelled_at": cancelled[0] if cancelled else None,
                }
            )
    return rows


def history(topics: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Snowflake's marts."""
    pages, played = topics["page_view_events"], topics["listen_events"]
    songs = {(one["artist"], one["song"]): one["duration"] for one in played}
    artists = defaultdict(set)
    for artist, title in songs:
        artists[artist].add(title)
    rows = sessions(pages)
    by_id = {row["session_id"]: row for row in rows}
    changes = [
        {
            "event_id": one["event_id"],
            "user_id": one["userId"],
            "change": "cancellation"
            if one["auth"] == "Cancelled"
            else "registration"
            if one["registration"] == one["ts"]
            else {"paid": "upgrade", "free": "downgrade"}[one["level"]],
            "changed_at": when(one["ts"]),
        }
        for one in topics["status_change_events"]
    ]
    return {
        "fct_sessions": rows,
        "fct_listens": listens(played),
        "fct_status_changes": changes,
        "fct_auths": [
            {
                "event_id": one["event_id"],
                "user_id": one.get("userId"),
                "has_succeeded": one["success"],
                "attempted_at": when(one["ts"]),
            }
            for one in topics["auth_events"]
        ],
        "fct_page_views": [
            {
                "event_id": one["event_id"],
                "session_id": one["sessionId"],
                "user_id": one.get("userId"),
                "song_id": key(one["artist"], one["song"]) if "song" in one else None,
                "page": one["page"],
                "http_status": one["status"],
                "viewed_at": when(one["ts"]),
            }
            for one in pages
        ],
        "dim_users": users(pages),
        "dim_songs": [
            {"song_id": key(*song), "artist": song[0], "title": song[1], "duration_s": Decimal(str(duration))}
            for song, duration in songs.items()
        ],
        "dim_artists": [
            {"artist_id": key(artist), "artist": artist, "songs": len(titles)} for artist, titles in artists.items()
        ],
        "dim_locations": [
            {"location_id": key(*found[:3]), "zip": found[1], "lat": found[3], "lon": found[4]}
            for found in {(p["city"], p["zip"], p["state"], p["lat"], p["lon"]) for p in pages}
        ],
        "dim_dates": [
            {"date_day": day, "day_of_week": day.isoweekday(), "is_weekend": day.isoweekday() > 5}
            for day in {when(page["ts"]).date() for page in pages}
        ],
        "obt_events": [
            {
                "event_id": one["event_id"],
                "first_name": one.get("firstName"),
                "level": one["level"],
                "artist": one.get("artist"),
                "title": one.get("song"),
                "zip": one["zip"],
                "session_page_views": by_id[one["sessionId"]]["page_views"],
            }
            for one in pages
        ],
        "obt_sessions": [
            {
                "session_id": row["session_id"],
                "user_id": row["user_id"],
                "listened_s": row["listened_s"],
                "started_on_weekend": row["started_at"].isoweekday() > 5,
            }
            for row in rows
        ],
    }


def live(topics: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """ClickHouse's marts."""
    pages, played = topics["page_view_events"], topics["listen_events"]
    newest = max(page["ts"] for page in pages)
    day_pages = [page for page in pages if page["ts"] > newest - 24 * 3_600_000]
    day_played = [one for one in played if one["ts"] > newest - 24 * 3_600_000]

    def ids(rows: list[Row], *names: str) -> int:
        return len({tuple(row[name] for name in names) for row in rows if all(name in row for name in names)})

    def by(rows: list[Row], length_ms: int) -> dict[int, list[Row]]:
        found = defaultdict(list)
        for row in rows:
            found[row["ts"] // length_ms * length_ms].append(row)
        return found

    last, minutes = newest // 60_000 * 60_000, by(day_played, 60_000)
    spans = defaultdict(list)
    for page in pages:
        if page["ts"] > newest - 27 * 3_600_000:
            spans[page["sessionId"]].append(page)
    active = []
    for start in range(last, last - 180 * 60_000, -60_000):
        there = [
            s for s in spans.values() if min(p["ts"] for p in s) < start + 60_000 and max(p["ts"] for p in s) >= start
        ]
        active.append(
            {
                "minute": when(start),
                "active_sessions": len(there),
                "paid_sessions": sum(any(page["level"] == "paid" for page in session) for session in there),
                "active_users": ids([page for session in there for page in session], "userId"),
            }
        )
    hours = by(day_pages, 3_600_000)
    songs, states = defaultdict(list), defaultdict(list)
    for one in day_played:
        songs[one["artist"], one["song"]].append(one)
    for page in day_pages:
        states[page["state"]].append(page)
    return {
        "fct_sessions": sessions(pages),
        "fct_listens": listens(played),
        "live_listens_per_minute": [
            {
                "minute": when(start),
                "listens": len(minutes.get(start, [])),
                "listeners": ids(minutes.get(start, []), "userId"),
                "songs": ids(minutes.get(start, []), "artist", "song"),
            }
            for start in range(last, last - 1440 * 60_000, -60_000)
        ],
        "live_active_sessions": active,
        "live_paid_share": [
            {
                "hour": when(hour),
                "users": ids(seen, "userId"),
                "paid_users": (paid := ids([page for page in seen if page["level"] == "paid"], "userId")),
                "paid_share": paid / ids(seen, "userId") if ids(seen, "userId") else 0.0,
            }
            for hour, seen in hours.items()
        ],
        "live_top_songs": [
            {
                "song_id": key(*song),
                "title": song[1],
                "listens": len(rows),
                "listeners": ids(rows, "userId"),
                "place": 1 + sum(len(others) > len(rows) for others in songs.values()),
            }
            for song, rows in songs.items()
        ],
        "live_by_state": [
            {
                "state": state,
                "page_views": len(seen),
                "listens": sum(page["page"] == "NextSong" for page in seen),
                "sessions": ids(seen, "sessionId"),
                "users": ids(seen, "userId"),
            }
            for state, seen in states.items()
        ],
    }
