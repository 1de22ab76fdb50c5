"""The table of permissions as the broker has it, read from its source, so that a test forgets no row."""

import dataclasses
import re

from broker_process import ROOT

ROLES = ("member", "switchboard", "lead", "admin", "router", "operator")
PEOPLE = ROLES[:4]


@dataclasses.dataclass(frozen=True)
class Row:
    kind: str    # OF_APP, OF_ROUTER: `name` is a message; OF_PERSON, OF_COMPANY: `method` and `path`
    name: str
    method: str
    path: str
    reach: dict  # role → NO, OWN, ALL, ANYBODY

    def __str__(self):
        return f"{self.kind[3:].lower()} {self.name}"


def read():
    rows = []
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "broker/identity/permissions.def").read_text(), flags=re.S)
    for kind, arguments in re.findall(r"^(OF_\w+)\((.*)\)$", text, re.M):
        parts = [part.strip().strip('"') for part in re.findall(r'"[^"]*"|[^,"]+', arguments) if part.strip()]
        name, *parts = parts
        method, path = (parts.pop(0), parts.pop(0)) if kind in ("OF_PERSON", "OF_COMPANY") else ("", "")
        assert set(parts[:6]) <= {"NO", "OWN", "ALL", "ANYBODY"}, arguments
        rows.append(Row(kind, name, method, path, dict(zip(ROLES, parts))))
    assert len(rows) == text.count("OF_"), "a row that is not understood"
    return rows


ROWS = read()


def rows(kind):
    return [row for row in ROWS if row.kind == kind]
