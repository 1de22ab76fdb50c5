#!/usr/bin/python3
"""Writes the msgpack bytes of every good vector anew from its JSON text, with an implementation that is not ours.

Run it after adding a case (name and json are enough). bad.json is left alone: it is written by hand."""
import json
import pathlib

import msgpack

for path in sorted(pathlib.Path(__file__).parent.glob("*.json")):
    if path.name == "bad.json":
        continue
    vectors = json.loads(path.read_text(encoding="utf-8"))
    for case in vectors["cases"]:
        case["msgpack"] = msgpack.packb(json.loads(case["json"])).hex()
    path.write_text(json.dumps(vectors, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
