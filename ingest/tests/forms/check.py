#!/usr/bin/env python3
"""Reads every file of `files/` with tools other than its own where there are such, and compares with `rows.json`.

    python check.py OUT      # the folder with files/ and rows.json
"""

import csv
import gzip
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import brotli
import datasets
import duckdb
import fastparquet
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import zstandard
from fastwarc.warc import ArchiveIterator as FastWarc
from warcio.archiveiterator import ArchiveIterator

OUT = Path(sys.argv[1])
ROWS = json.loads((OUT / "rows.json").read_text(encoding="utf-8"))


def text(value):
    return value.decode() if isinstance(value, (bytes, bytearray)) else value


def column(path, name):
    """The column of a Parquet file by each reader; an error is given as a text."""
    readers = {
        "pyarrow": lambda: pq.read_table(path, columns=[name]).column(name).to_pylist(),
        "duckdb": lambda: [r[0] for r in duckdb.sql(f"SELECT {name} FROM read_parquet('{path}')").fetchall()],
        "polars": lambda: pl.read_parquet(path, columns=[name], use_pyarrow=False)[name].to_list(),
        "fastparquet": lambda: fastparquet.ParquetFile(str(path)).to_pandas([name])[name].tolist(),
    }
    found = {}
    for reader, read in readers.items():
        try:
            values = read()
            # pandas has NaN or None for null.
            values = [None if isinstance(v, float) and v != v else v for v in values]
            found[reader] = [text(v) for v in values] if name == "text" else values
        except BaseException as error:  # polars panics
            found[reader] = f"{type(error).__name__}: {error}"
    return found


def decompressed(path):
    data = path.read_bytes()
    if path.name.endswith(".gz"):
        return gzip.decompress(data)
    if path.name.endswith(".zst"):
        return zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(data, read_across_frames=True).read()
    return data


def decoded(data, entry):
    marks = [(b"\xff\xfe\0\0", "utf-32"), (b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")]
    encoding = next((name for mark, name in marks if data.startswith(mark)), entry.get("encoding", "utf-8"))
    return data.decode(encoding)


def objects(content):
    """The rows of JSON, whatever its shape."""
    try:
        value = json.loads(content)
    except json.JSONDecodeError:
        return [json.loads(line) for line in content.split("\n") if line.strip()]
    if isinstance(value, dict):
        lists = [v for v in value.values() if isinstance(v, list) and v and isinstance(v[0], dict) and "text" in v[0]]
        return lists[0] if lists else [value]
    return value


def arrow(path):
    """The text column by pyarrow and by polars."""
    found = {}
    try:
        data = pa.ipc.open_file(path)
        stream = False
    except pa.ArrowInvalid:
        data = pa.ipc.open_stream(path)
        stream = True
    found["pyarrow"] = [text(v) for v in data.read_all().column("text").to_pylist()]
    try:
        read = pl.read_ipc_stream(path) if stream else pl.read_ipc(path)
        found["polars"] = [text(v) for v in read["text"].to_list()]
    except BaseException as error:
        found["polars"] = f"{type(error).__name__}: {error}"
    return found


def of_bytes(name, data, entry):
    """The texts of a file inside an archive."""
    if name.endswith(".gz"):
        return of_bytes(name[:-3], gzip.decompress(data), entry)
    if name.endswith(".parquet"):
        return pq.read_table(io.BytesIO(data)).column("text").to_pylist()
    if name.endswith(".jsonl"):
        return [r["text"] for r in objects(data.decode())]
    return [data.decode()]


def archive(path, entry):
    names, found = [], []
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as files:
            assert files.testzip() is None
            members = [(i.filename, files.read(i)) for i in files.infolist()]
    else:
        with tarfile.open(path) as files:
            members = [(m.name, files.extractfile(m).read()) for m in files if m.isfile()]
    for name, data in members:
        names.append(name)
        found += of_bytes(name, data, entry)
    assert names == entry["names"], names
    # The command-line tool sees the same files.
    if path.suffix != ".zip":
        out = subprocess.run(["tar", "-tf", path], capture_output=True, check=True).stdout
        assert out.count(b"\n") >= len(names)
    return found


def unchunked(body):
    out, at = b"", 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].split(b";")[0], 16)
        if size == 0:
            return out
        out += body[end + 2 : end + 2 + size]
        assert body[end + 2 + size : end + 4 + size] == b"\r\n"
        at = end + 4 + size


def body_of(headers, body):
    """What a browser gets, by this file's own hand; a body that is not what its header says stays as it is."""
    if "chunked" in headers.get("transfer-encoding", ""):
        try:
            body = unchunked(body)
        except ValueError:
            pass
    for coding in reversed([c.strip().lower() for c in headers.get("content-encoding", "").split(",") if c.strip()]):
        if coding in ("gzip", "x-gzip"):
            body = gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body
        elif coding == "deflate":
            try:
                body = zlib.decompress(body)
            except zlib.error:
                body = zlib.decompress(body, -15)
        elif coding == "br":
            body = brotli.decompress(body)
        elif coding == "zstd":
            body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
        else:
            raise ValueError(coding)
    return body


def page(headers, body):
    for mark, encoding in [(b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16")]:
        if body.startswith(mark):
            return body.decode(encoding)
    said = headers.get("content-type", "").lower().partition("charset=")[2].strip()
    if not said:
        head = body[:1024].decode("latin-1").lower()
        said = head.partition("charset=")[2].lstrip("\"'").split('"')[0] or "utf-8"
    return body.decode({"iso-8859-1": "cp1252", "latin1": "cp1252", "gb2312": "gb18030"}.get(said, said))


def warc(path, entry):
    """The pages by fastwarc's records, and the addresses by warcio's."""
    data = decompressed(path) if path.suffix == ".zst" else path.read_bytes()
    found, uris = [], []
    for record in FastWarc(io.BytesIO(data), parse_http=False):
        kind = record.headers.get("WARC-Type")
        if kind not in ("response", "conversion"):
            continue
        block = record.reader.read()
        if kind == "response":
            head, _, body = block.partition(b"\r\n\r\n")
            fields = [line.decode("latin-1").partition(":") for line in head.split(b"\r\n")[1:]]
            headers = {name.lower(): value.strip() for name, _, value in fields}
            block = page(headers, body_of(headers, body)).encode()
        found.append(block.decode())
    try:
        for record in ArchiveIterator(io.BytesIO(data), arc2warc=True):
            if record.rec_type in ("response", "conversion"):
                uris.append(record.rec_headers.get_header("WARC-Target-URI"))
                record.raw_stream.read()
        assert uris == entry["uris"], uris
    except BaseException as error:
        notes.append(f"{path.name}: warcio: {type(error).__name__}: {str(error).strip()[:90]}")
    return found


bad, notes = [], []


def same(name, found, expected, by=""):
    if found != expected:
        bad.append(f"{name} {by}: {str(found)[:300]}")


for name, entry in ROWS.items():
    path = OUT / "files" / name
    assert path.exists(), name
    expected = entry.get("texts", entry.get("rows"))
    if expected is not None:
        expected = expected * entry.get("times", 1)
        assert len(expected) == entry["count"], name
    if path.is_dir():
        if name.startswith("spark"):
            parts = sorted(path.glob("part-*"))
            same(name, [t for p in parts for t in pq.read_table(p).column("text").to_pylist()], expected)
            same(name, pl.read_parquet(f"{path}/*.parquet")["text"].to_list(), expected, "polars")
        else:
            loaded = datasets.load_from_disk(path)
            parts = [loaded["test"], loaded["train"]] if "splits" in entry else [loaded]
            same(name, [t for p in parts for t in p["text"]], expected)
            files = sorted(f for f in path.rglob("data-*.arrow"))
            same(name, [t for f in files for t in pl.read_ipc_stream(f)["text"].to_list()], expected, "polars")
    elif path.suffix == ".parquet":
        field = "messages" if "rows" in entry else "text"
        wanted = [r[field] for r in expected] if "rows" in entry else expected
        results = column(path, field)
        own = entry["tool"].split()[0]
        right = [reader for reader, values in results.items() if values == wanted]
        for reader, values in results.items():
            if values != wanted:
                notes.append(f"{name}: {reader}: {str(values)[:160]}")
        # One reader of other origin has to agree at least.
        family = {"pandas": "pyarrow", "datasets": "pyarrow"}.get(own, own)
        if not [r for r in right if r != family]:
            bad.append(f"{name}: only {right}")
    elif path.suffix in (".arrow", ".arrows", ".feather"):
        for reader, values in arrow(path).items():
            if values != expected:
                notes.append(f"{name}: {reader}: {str(values)[:160]}")
                if reader == "pyarrow":
                    bad.append(f"{name}: {reader}")
    elif ".warc" in name:
        found = warc(path, entry)
        if "contains" in entry:
            assert len(found) == entry["count"], (name, len(found))
            for shown, whole in zip(entry["contains"], found):
                if shown not in whole:
                    bad.append(f"{name}: {shown!r} is not in {whole[:300]!r}")
        else:
            same(name, found, expected)
    elif ".tar" in name or path.suffix == ".zip":
        same(name, archive(path, entry), expected)
    elif ".csv" in name or path.suffix == ".tsv":
        content = decoded(decompressed(path), entry)
        rows = csv.DictReader(io.StringIO(content, newline=""), delimiter="\t" if path.suffix == ".tsv" else ",")
        same(name, [r["text"] for r in rows], expected)
        with tempfile.NamedTemporaryFile(suffix=".csv") as copy:
            copy.write(content.encode())
            copy.flush()
            rows = duckdb.sql(f"SELECT text FROM read_csv('{copy.name}', header=true, all_varchar=true)").fetchall()
            same(name, [r[0] for r in rows], expected, "duckdb")
            read = pl.read_csv(copy.name, separator="\t" if path.suffix == ".tsv" else ",", infer_schema=False)
            same(name, read["text"].to_list(), expected, "polars")
    elif path.suffix == ".txt":
        same(name, [decoded(path.read_bytes(), entry)], expected)
    else:
        content = decoded(decompressed(path), entry)
        found = objects(content)
        same(name, found if "rows" in entry else [r["text"] for r in found], expected)
        if "rows" not in entry and name != "squad.json" and "encoding" not in entry:
            with tempfile.NamedTemporaryFile(suffix=".json") as copy:
                copy.write(content.encode())
                copy.flush()
                rows = duckdb.sql(f"SELECT text FROM read_json('{copy.name}')").fetchall()
                same(name, [r[0] for r in rows], expected, "duckdb")

listed = {p.name for p in (OUT / "files").iterdir()}
assert listed == set(ROWS), listed ^ set(ROWS)
print("\n".join(["what single readers cannot do or do otherwise:", *notes]))
print("\n".join(["", "WRONG:", *bad] if bad else ["", f"{len(ROWS)} entries agree"]))
sys.exit(bool(bad))
