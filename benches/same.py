#!/usr/bin/env python3
"""Compares what two versions of the program make of the same quickstart.

    benches/same.py OLD NEW [FOLDER]

Both run `quickstart --small` with one seed and one time. Their logs are compared entry by entry and field by field, and their
public objects by digest. The digest of the program's file differs by nature, and with it the tree heads after a run's intent
(`drawn_from`) and the windows that they draw. Anything else that differs is printed, and the exit code is 1.
"""
import base64
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

BY_NATURE = {"run-intent": {"build"}, "run-progress": {"drawn_from"}, "run-close": {"drawn_from"}, "replay": {"windows", "threads"}}


def entries(home):
    """The statements of all entries: C2SP tlog-tiles, entry bundles."""
    bundles = home / "log" / "tile" / "entries"
    whole = sorted(p for p in bundles.rglob("*") if p.is_file() and ".p" not in str(p.relative_to(bundles)))
    partial = sorted((p for p in bundles.rglob("*") if p.is_file() and ".p" in str(p.relative_to(bundles))), key=lambda p: int(p.name))
    for path in whole + partial[-1:]:
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack(">H", data[at : at + 2])
            envelope = json.loads(data[at + 2 : at + 2 + length])
            at += 2 + length
            yield json.loads(base64.b64decode(envelope["payload"]))


def run(program, home):
    command = [program, "quickstart", "--small", "--seed", "7", "--now", "1800000000", "--home", str(home)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    objects = {p.name: p.stat().st_size for p in (home / "objects" / "public").rglob("*") if p.is_file()}
    return list(entries(home)), objects


def main(old, new, folder):
    (a, objects_a), (b, objects_b) = run(old, folder / "old"), run(new, folder / "new")
    different = [] if len(a) == len(b) else [f"{len(a)} entries, {len(b)}"]
    same, first = 0, None
    for index, (x, y) in enumerate(zip(a, b)):
        kind = x["predicateType"].split(":")[3]
        if x["predicateType"] != y["predicateType"]:
            different.append(f"entry {index}: {x['predicateType']}, {y['predicateType']}")
            continue
        fields = {k for k in x["predicate"].keys() | y["predicate"].keys() if x["predicate"].get(k) != y["predicate"].get(k)}
        if fields and first is None:
            first = index
        different += [f"entry {index}, {kind}: {f}" for f in sorted(fields - BY_NATURE.get(kind, set()))]
        same += not fields
    different += [f"object {d} of {objects_a[d]} bytes is in the first alone" for d in sorted(objects_a.keys() - objects_b.keys())]
    different += [f"object {d} of {objects_b[d]} bytes is in the second alone" for d in sorted(objects_b.keys() - objects_a.keys())]
    print(f"{len(a)} entries, {same} equal in every field, the first {first} without exception; {len(objects_a.keys() & objects_b.keys())} of {len(objects_a)} public objects equal")
    print("\n".join(different) or "nothing else differs")
    return 1 if different else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else temporary)))
