"""Reads what a broker has stored, past the broker: the names of entities, and records opened with the keys of the
installation. Written after what broker/privacy/vault.h says, with a library that is not ours to seal with (PyNaCl)."""

import base64
import hashlib
import re
import subprocess

import msgpack
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt

NO_NONCE = bytes(24)


def redis_socket(broker):
    return next(path for path in broker.data.rglob("*") if path.is_socket())


def redis(broker, *words):
    """One command to the broker's own Redis; its answer as bytes, without redis-cli's decoration."""
    done = subprocess.run(["redis-cli", "-s", redis_socket(broker), *map(str, words)], capture_output=True, timeout=20)
    return done.stdout.removesuffix(b"\n")


class Keys:
    def __init__(self, broker):
        self.masters = {}
        for line in (broker.data / "keys").read_text().splitlines():
            word, *rest = line.split()
            if word == "names":
                self.names = bytes.fromhex(rest[0])
            elif word == "master":
                self.masters[rest[0]] = bytes.fromhex(rest[-1])

    def hash(self, text):
        digest = hashlib.blake2b(text.encode(), key=self.names, digest_size=16).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def name(self, kind, identity=None):
        return kind if kind == "company" else f"{kind}:{self.hash(identity)}"

    def open(self, company, entity, sealed):
        assert sealed[0] == 1, f"format {sealed[0]}"
        place, head = company.encode() + b"\0" + entity.encode(), 2 + sealed[1]
        master = self.masters[sealed[2:head].decode()]
        nonce, wrapped, body = sealed[head:head + 24], sealed[head + 24:head + 72], sealed[head + 72:]
        return decrypt(body, place, NO_NONCE, decrypt(wrapped, place, nonce, master))


def stored(broker, company, kind, identity=None):
    """The record as a dict with the short names of records.def; None where there is none, or a tombstone."""
    keys = Keys(broker)
    entity = keys.name(kind, identity)
    raw = redis(broker, "HGET", f"ledig:{{{company}}}:records", entity)
    found = re.match(rb"\d+r", raw)
    if not found:
        return None
    plain = keys.open(company, entity, raw[found.end():])
    return msgpack.unpackb(plain[3:])
