"""The databases on disk: one DuckDB file each, attached to one engine, with the views and macros Snowflake's SQL needs.

A file is `<NAME>.db`; stages, comments and text lengths live beside them, so a restart finds everything.
"""

from __future__ import annotations

import collections
import threading
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
from fakesnow import info_schema, macros
from fakesnow.instance import FakeSnow
from fakesnow.transforms import show, stage
from snowflake.connector.errors import ProgrammingError

MEMORY_LIMIT = "1GB"
THREADS = 2
RESULTS_KEPT = 64
RESULT_BYTES_KEPT = 128 * 1024 * 1024
# Snowflake forgets after as many days which files a table has loaded
LOAD_HISTORY_DAYS = 64

# FLATTEN with OUTER, and one numbering of elements per input row.
FLATTEN = """
CREATE OR REPLACE MACRO {catalog}._fs_flatten(input, is_outer := false) AS TABLE
    SELECT
        hash(to_json(input))::UBIGINT AS SEQ,
        e.k AS KEY,
        CASE WHEN e.i IS NULL THEN e.k ELSE '[' || e.i || ']' END AS PATH,
        e.i AS INDEX,
        e.v AS VALUE,
        to_json(input) AS THIS
    FROM (
        SELECT UNNEST(
            CASE
                WHEN json_type(to_json(input)) = 'OBJECT' AND len(json_keys(to_json(input))) > 0 THEN list_transform(
                    json_keys(to_json(input)),
                    lambda x: struct_pack(
                        k := x, i := NULL::BIGINT,
                        v := json_extract(to_json(input), '$."' || replace(x, '"', '\\"') || '"'))
                )
                WHEN json_type(to_json(input)) = 'ARRAY' AND json_array_length(to_json(input)) > 0 THEN list_transform(
                    CAST(to_json(input) AS JSON[]),
                    lambda x, n: struct_pack(k := NULL::VARCHAR, i := (n - 1)::BIGINT, v := x)
                )
                WHEN is_outer THEN [struct_pack(k := NULL::VARCHAR, i := NULL::BIGINT, v := NULL::JSON)]
                ELSE []
            END, recursive := true
        )
    ) AS e(k, i, v)
"""

# Whole numbers all the way: fakesnow divides, and a double loses microseconds.
TO_TIMESTAMP = """
CREATE OR REPLACE MACRO {catalog}._fs_to_timestamp(val, scale) AS (
    CASE
        WHEN try_cast(val AS BIGINT) IS NULL THEN CAST(val AS TIMESTAMP)
        WHEN scale = 0 THEN make_timestamp(val::BIGINT * 1000000)
        WHEN scale = 3 THEN make_timestamp(val::BIGINT * 1000)
        WHEN scale = 6 THEN make_timestamp(val::BIGINT)
        WHEN scale = 9 THEN make_timestamp(val::BIGINT // 1000)
        ELSE error('scale of a timestamp must be 0, 3, 6 or 9')
    END
)
"""

DIVISOR = """
CREATE OR REPLACE MACRO {catalog}._fs_divisor(val) AS (CASE WHEN val = 0 THEN error('Division by zero') ELSE val END)
"""

# Text of anything; of a JSON text without its quotes. The type is known when a query is planned, so it costs nothing.
TEXT = """
CREATE OR REPLACE MACRO {catalog}._fs_text(val) AS (
    CASE WHEN typeof(val) = 'JSON' THEN json_extract_string(to_json(val), '$') ELSE CAST(val AS VARCHAR) END
)
"""

# fakesnow lists tables alone; without views here, dbt leaves every view out of its catalog.
_TABLES_ONLY = "from duckdb_tables tables"
_TABLES_AND_VIEWS = """from (
    select database_name, schema_name, table_name, estimated_size, 'BASE TABLE' as kind from duckdb_tables()
    union all
    select database_name, schema_name, view_name, NULL, 'VIEW' from duckdb_views() where not internal
) tables"""

# fakesnow knows BIGINT alone of the whole numbers.
_BIGINT_ONLY = "columns.data_type='BIGINT'"
_WHOLE_NUMBERS = "columns.data_type IN ('BIGINT', 'HUGEINT', 'INTEGER', 'SMALLINT', 'TINYINT', 'UBIGINT', 'UINTEGER')"
_DATA_TYPE = "else columns.data_type end as DATA_TYPE"
_SEMI_STRUCTURED = """when columns.data_type LIKE '%[]' then 'ARRAY'
     when starts_with(columns.data_type, 'STRUCT') or starts_with(columns.data_type, 'MAP') then 'OBJECT'
     else columns.data_type end as DATA_TYPE"""


class CatalogError(RuntimeError):
    """The folder of databases cannot be opened; the text is one sentence that says why and what to do."""


class Results(collections.OrderedDict[str, tuple[Any, ...]]):
    """The latest results by query id, for RESULT_SCAN; fakesnow alone would keep every row ever asked for."""

    def __setitem__(self, query_id: str, value: tuple[Any, ...]) -> None:
        super().__setitem__(query_id, value)
        while len(self) > RESULTS_KEPT or (len(self) > 1 and self._bytes() > RESULT_BYTES_KEPT):
            self.popitem(last=False)

    def _bytes(self) -> int:
        return sum(value[0].nbytes for value in list(self.values()) if isinstance(value[0], pyarrow.Table))


class Catalog(FakeSnow):
    """All databases of one folder. Raises CatalogError where another process has it open or it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.create_database_on_connect = self.create_schema_on_connect = False
        self.db_path = folder
        self.nop_regexes: list[str] = []
        self.results_cache = Results()
        self.lock = threading.Lock()
        try:
            self._open(folder)
        except duckdb.IOException as error:
            raise CatalogError(_sentence(folder, error)) from error
        except OSError as error:
            raise CatalogError(f"cannot write to {folder}: {error.strerror}; free space or fix the owner") from error

    def _open(self, folder: Path) -> None:
        for part in ("stages", "spill"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        stage.LOCAL_BUCKET_PATH = str((folder / "stages").resolve())
        self.duck_conn = duckdb.connect(
            ":memory:",
            config={
                "lambda_syntax": "ENABLE_SINGLE_ARROW",  # SQLGlot still writes x -> ..
                "memory_limit": MEMORY_LIMIT,
                "threads": THREADS,
                "temp_directory": str(folder / "spill"),
                "preserve_insertion_order": True,  # False disorders even ORDER BY, where rows leave as Arrow
            },
        )
        self.duck_conn.execute("SET GLOBAL TimeZone = 'UTC'")
        # fakesnow keeps stages, file formats and comments in memory: keep them beside the databases
        self.duck_conn.execute(f"ATTACH '{folder / 'catalog.meta'}' AS _fs_global")
        self.duck_conn.execute(
            _fitted(
                info_schema.fs_global_creation_sql(),
                {_BIGINT_ONLY: _WHOLE_NUMBERS, _DATA_TYPE: _SEMI_STRUCTURED},
            )
        )
        self.duck_conn.execute(show.fs_global_creation_sql())
        for file in sorted(folder.glob("*.db")):
            self.duck_conn.execute(f"ATTACH '{file}' AS \"{file.stem}\"")
            self.furnish(file.stem)

    def names(self) -> set[str]:
        """The databases that exist, as they are spelled."""
        rows = self.duck_conn.cursor().execute("SELECT database_name FROM duckdb_databases() WHERE NOT internal")
        return {name for (name,) in rows.fetchall()} - {"memory", "_fs_global"}

    def create(self, name: str, *, exists_ok: bool = False) -> bool:
        """A new database with its PUBLIC schema; True if it was made. Raises ProgrammingError 2002 if it exists."""
        with self.lock:
            if name in self.names():
                if exists_ok:
                    return False
                raise ProgrammingError(msg=f"Object '{name}' already exists.", errno=2002, sqlstate="42710")
            self.duck_conn.execute(f"ATTACH '{self.db_path / name}.db' AS \"{name}\"")
            self.furnish(name)
            return True

    def drop(self, name: str) -> None:
        """Detach a database and delete its file, which would otherwise come back at the next start."""
        with self.lock:
            self.duck_conn.execute(f'DETACH "{name}"')
            for file in (f"{name}.db", f"{name}.db.wal"):
                (Path(self.db_path) / file).unlink(missing_ok=True)

    def furnish(self, name: str) -> None:
        """Views, macros and schema that a database must have; replaced each time, so old files get new cures."""
        views = _fitted(
            info_schema.per_db_creation_sql(name),
            {_TABLES_ONLY: _TABLES_AND_VIEWS, "'BASE TABLE' AS \"TABLE_TYPE\"": 'tables.kind AS "TABLE_TYPE"'},
        )
        for sql in (views, macros.creation_sql(name), *(m.format(catalog=name) for m in (TO_TIMESTAMP, DIVISOR, TEXT))):
            self.duck_conn.execute(sql)
        # fakesnow's macro has another number of parameters, so it cannot be replaced in place
        self.duck_conn.execute(f'DROP MACRO TABLE IF EXISTS "{name}"._fs_flatten')
        self.duck_conn.execute(FLATTEN.format(catalog=name))
        self.duck_conn.execute(f'CREATE SCHEMA IF NOT EXISTS "{name}".PUBLIC')
        self.duck_conn.execute(
            f'DELETE FROM "{name}"._fs_information_schema._fs_load_history '
            f"WHERE LAST_LOAD_TIME < now() - INTERVAL {LOAD_HISTORY_DAYS} DAY"
        )

    def close(self) -> None:
        """Write everything into the database files and let go of them."""
        for name in sorted(self.names()):
            try:
                self.duck_conn.execute(f'FORCE CHECKPOINT "{name}"')
            except duckdb.Error:  # a transaction still open: the write-ahead log holds all that was committed
                continue
        self.duck_conn.close()


def _fitted(sql: str, cures: dict[str, str]) -> str:
    """fakesnow's SQL with its views replaced, not only made, and each of `cures` put in."""
    for old, new in cures.items():
        if old not in sql:
            raise CatalogError(f"fakesnow has changed, it lacks {old!r}: fit local/snowflake/catalog.py to it")
        sql = sql.replace(old, new)
    return sql.replace("create view if not exists", "create or replace view")


def _sentence(folder: Path, error: duckdb.IOException) -> str:
    text = str(error)
    if "lock" in text.lower():
        return f"another process serves {folder}: stop it, or choose another folder (FLOODGATE_HOME)"
    if "No space left" in text:
        return f"the disk of {folder} is full: free space and start again"
    return f"cannot open the databases in {folder}: {text.splitlines()[0]}"
