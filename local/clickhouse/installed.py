"""The real server, where its binary is on the PATH: the same ports, users and limits, from a configuration."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from local.service import ServiceError

_SERVER = """<clickhouse>
  <logger><level>warning</level><console>true</console></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http_port}</http_port>
  <tcp_port>{native_port}</tcp_port>
  <path>{data}/</path>
  <tmp_path>{data}/tmp/</tmp_path>
  <user_files_path>{data}/user_files/</user_files_path>
  <format_schema_path>{data}/format_schemas/</format_schema_path>
  <timezone>UTC</timezone>
  <max_server_memory_usage>1500000000</max_server_memory_usage>
  <mark_cache_size>134217728</mark_cache_size>
  <query_log>
    <database>system</database><table>query_log</table>
    <ttl>event_date + INTERVAL 2 DAY DELETE</ttl>
  </query_log>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
</clickhouse>
"""
_USERS = """<clickhouse>
  <profiles><default/><reading><readonly>2</readonly></reading></profiles>
  <quotas><default/></quotas>
  <users>
    <floodgate>
      <password from_env="CLICKHOUSE_WRITER_PASSWORD"/>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile><quota>default</quota>
      <access_management>1</access_management>
    </floodgate>
    <reader>
      <password from_env="CLICKHOUSE_READER_PASSWORD"/>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>reading</profile><quota>default</quota>
    </reader>
  </users>
</clickhouse>
"""


def argv(binary: str, home: Path) -> tuple[str, ...]:
    """The command that runs the server in the foreground."""
    return (binary, "server", f"--config-file={home / 'server.xml'}")


def prepare(home: Path, http_port: int, native_port: int) -> None:
    """Writes the configuration; passwords stay in the environment. Raises ServiceError where it cannot be written."""
    data, users = home / "server", home / "users.xml"
    try:
        data.mkdir(exist_ok=True)
        users.write_text(_USERS)
        (home / "server.xml").write_text(
            _SERVER.format(
                http_port=http_port, native_port=native_port, data=escape(str(data)), users=escape(str(users))
            )
        )
    except OSError as error:
        reason = (
            f"clickhouse: {home} cannot be written ({error.strerror}): make room, or make it a folder you may write"
        )
        raise ServiceError(reason) from None
