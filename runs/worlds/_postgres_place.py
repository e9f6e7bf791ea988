"""What a person types for a PostgreSQL world, taken apart: a place without secrets, a password, a schema.

libpq reads the URL, so whatever `psql` takes is taken here, with one parameter more: `schema`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from runs.worlds.base import Place, WorldError

SCHEMA = "workflow"  # where the SDK puts its tables
SCHEMES = ("postgres://", "postgresql://")
_USER_INFO = re.compile(r"://[^/?]*@")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")  # pasted as it is, most often in a password
_IN_NETLOC = frozenset({"user", "password", "host", "port", "dbname"})
_SECRETS = frozenset(
    {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
)
_OURS = frozenset({"application_name", "fallback_application_name", "client_encoding", "replication"})
IDENTIFIER_MAX = 63  # bytes

_NO_PORT = (  # which may be a piece of a password: it is not repeated
    "not a URL of a PostgreSQL database: its port is no number; / # ? @ in a password are written as"
    " %2F %23 %3F %40"
)


@dataclass(frozen=True, slots=True)
class Target:
    """How to connect: libpq's parameters without the password, and the schema of the world."""

    parameters: dict[str, str]
    schema: str


def parse(given: str) -> Place | None:
    """Where a URL leads, None if it is none of PostgreSQL's. Raises WorldError where it cannot be read."""
    if not given.lower().startswith(SCHEMES):
        return None
    parameters, schema = _taken_apart(given)
    secret = parameters.pop("password", "")
    if kept := sorted(_SECRETS & parameters.keys()):
        raise WorldError(
            f"{kept[0]} cannot be part of the URL of a PostgreSQL world: put it into the environment or a file",
            permanent=True,
        )
    location = _normal(parameters, schema)
    database = parameters.get("dbname") or parameters.get("user") or "postgres"
    return Place(location, database if schema == SCHEMA else f"{database}.{schema}", secret)


def target_of(location: str) -> Target:
    """Raises WorldError where a stored location is no such URL (any more)."""
    parameters, schema = _taken_apart(location)
    return Target({name: text for name, text in parameters.items() if name not in _OURS}, schema)


def _taken_apart(given: str) -> tuple[dict[str, str], str]:
    url, schema = _without_schema(_STRAY_PERCENT.sub("%25", given))
    try:
        found = conninfo_to_dict(url)
    except (ProgrammingError, UnicodeError, ValueError) as error:
        raise WorldError(
            f"not a URL of a PostgreSQL database: {_reason(error, given)}", permanent=True
        ) from None
    parameters = {name: str(text) for name, text in found.items() if text is not None}
    for port in parameters.get("port", "").split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise WorldError(_NO_PORT, permanent=True)
    if any("\0" in text for text in (*parameters.values(), schema)):
        raise WorldError("not a URL of a PostgreSQL database: it holds a zero byte", permanent=True)
    return parameters, schema


def _without_schema(given: str) -> tuple[str, str]:
    """libpq refuses parameters that it does not know."""
    url, _, query = given.partition("?")
    rest, schema = [], SCHEMA
    for part in filter(None, query.split("&")):
        name, _, text = part.partition("=")
        if name == "schema":
            schema = unquote(text)
        else:
            rest.append(part)
    if not schema or len(schema.encode("utf-8", "replace")) > IDENTIFIER_MAX:
        raise WorldError("not a URL of a PostgreSQL database: its schema is no name of one", permanent=True)
    return url + ("?" + "&".join(rest) if rest else ""), schema


def _reason(error: Exception, given: str) -> str:
    """libpq quotes what it does not understand, which may be (a part of) the password."""
    info = _USER_INFO.search(given)
    said = " ".join(str(error).split())
    if info is not None or "password" in given:
        said = said.partition(":")[0].partition('"')[0].rstrip()
    return said or "it is malformed"


def _normal(parameters: dict[str, str], schema: str) -> str:
    """One spelling for one place, so that two ways to write it are one world."""
    hosts = parameters.get("host", "").split(",")
    ports = parameters.get("port", "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    query = {name: text for name, text in parameters.items() if name not in _IN_NETLOC | _OURS}
    if any("/" in host for host in hosts):  # a socket's folder cannot stand where a host stands
        query |= {
            "host": parameters["host"],
            **({"port": parameters["port"]} if parameters.get("port") else {}),
        }
        hosts, ports = [""], [""]
    netloc = ",".join(_host(host, port) for host, port in zip(hosts, ports, strict=False))
    if schema != SCHEMA:
        query["schema"] = schema
    user = f"{quote(parameters['user'], safe='')}@" if parameters.get("user") else ""
    text = f"postgresql://{user}{netloc}/{quote(parameters.get('dbname', ''), safe='')}"
    said = "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(query.items()))
    return f"{text}?{said}" if said else text


def _host(host: str, port: str) -> str:
    name = f"[{host}]" if ":" in host else quote(host.lower(), safe="")
    return name if port in ("", "5432") else f"{name}:{port}"
