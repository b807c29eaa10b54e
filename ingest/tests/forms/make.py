#!/usr/bin/env python3
"""Writes the test files of `files/` again, each by the tool that people use, and `rows.json` with the rows they hold.

    python3 -m venv /tmp/forms-venv
    /tmp/forms-venv/bin/pip install -r requirements.txt
    /tmp/forms-venv/bin/python make.py OUT      # writes OUT/files and OUT/rows.json

Versions (as in requirements.txt): pandas 3.1.1, pyarrow 26.0.1, duckdb 2.0.1, polars 2.1.0, datasets 5.2.0,
pyspark 4.3.0 (with Java 17), warcio 1.8.1, zstandard 0.25.0, brotli 1.2.1; Python 3.11.
Without pyspark or Java, --no-spark leaves out the files whose names begin with `spark`.

Nothing random gets into the files: names, ids and dates that a tool would draw are replaced by fixed ones. Only the order
in which Spark lists a column's encodings in the metadata of its Parquet files changes from run to run.
"""

import argparse
import csv
import gzip
import io
import json
import os
import re
import shutil
import struct
import sys
import tarfile
import tempfile
import zipfile
import zlib
from importlib.metadata import version
from pathlib import Path

import brotli
import datasets
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import zstandard
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

# The rows of most files: ASCII, accents in NFC, CJK, emoji, quotes, backslashes, line feeds, and digits that are a string.
TEXTS = [
    "Plain text, with a comma; and ASCII only.",
    "Kort: é",
    "Crème brûlée, señor Åström, naïve Œuvre – NFC",
    "汉字、かな カナ、한국어",
    "Emoji 😀 👩‍👩‍👧 🇳🇱 and 𝔘 beyond the first plane",
    'She said "yes",\nleft;\tand \'no\' on C:\\new\\table\n\nand on the fourth line',
    "123456789012345678901234",
]

PYTHON = "Python " + ".".join(map(str, sys.version_info[:2]))
PANDAS = f"pandas {pd.__version__}"
PYARROW = f"pyarrow {pa.__version__}"
POLARS = f"polars {pl.__version__}"
DUCKDB = f"duckdb {duckdb.__version__}"
DATASETS = f"datasets {datasets.__version__}"
WARCIO = f"warcio {version('warcio')}"
ZSTANDARD = f"zstandard {zstandard.__version__}"

OUT = FILES = None
ROWS = {}


def note(name, tool, what, texts=None, rows=None, **more):
    """Says what is in a file and gives its path."""
    assert name not in ROWS, name
    entry = {"tool": tool, "what": what}
    if rows is not None:
        entry |= {"count": len(rows), "rows": rows}
    elif "contains" not in more:
        texts = TEXTS if texts is None else texts
        entry |= {"count": len(texts), "texts": texts}
    ROWS[name] = entry | more
    return FILES / name


def write(name, data, tool, what, **more):
    note(name, tool, what, **more).write_bytes(data)


def frame(texts=None):
    """A data frame with a number beside the text."""
    texts = TEXTS if texts is None else texts
    return pd.DataFrame({"n": range(1, len(texts) + 1), "text": texts})


def table(kind=None, texts=None):
    """An Arrow table with a text column of the type `kind`."""
    texts = TEXTS if texts is None else texts
    column = pa.array(texts, pa.string())
    if kind in (pa.binary(), pa.large_binary()):
        column = pa.array([None if t is None else t.encode() for t in texts], kind)
    elif kind is not None and pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type).dictionary_encode().cast(kind)
    elif kind is not None:
        column = column.cast(kind)
    return pa.table({"n": pa.array(range(1, len(texts) + 1), pa.int64()), "text": column})


def lines(rows, **options):
    return "".join(json.dumps(row, ensure_ascii=False, **options) + "\n" for row in rows)


def records(texts=None):
    return [{"n": n, "text": t} for n, t in enumerate(TEXTS if texts is None else texts, 1)]


# ---------------------------------------------------------------- Parquet


def parquet_by_pandas():
    for codec in ["snappy", "gzip", "brotli", "zstd", "lz4", None]:
        name = f"pandas-{codec or 'none'}.parquet"
        what = f"{codec or 'no compression'}, the string type of pandas" + (" (written as LZ4_RAW)" if codec == "lz4" else "")
        frame().to_parquet(note(name, PANDAS, what), compression=codec, index=False)
    indexed = frame().set_index(pd.Index([f"row {i}" for i in range(len(TEXTS))]))
    indexed.to_parquet(note("pandas-index.parquet", PANDAS, "an index of strings, as the column __index_level_0__"))


def parquet_by_pyarrow():
    kinds = {
        "string": pa.string(),
        "large-string": pa.large_string(),
        "string-view": pa.string_view(),
        "dictionary": pa.dictionary(pa.int32(), pa.string()),
        "dictionary-large": pa.dictionary(pa.int64(), pa.large_string()),
        "binary": pa.binary(),
        "large-binary": pa.large_binary(),
    }
    for name, kind in kinds.items():
        what = f"snappy, a text column of type {kind}" + (", UTF-8 without a logical type" if "binary" in name else "")
        pq.write_table(table(kind), note(f"pyarrow-{name}.parquet", PYARROW, what))

    nulls = TEXTS[:2] + [None] + TEXTS[2:4] + [""] + TEXTS[4:] + [None]
    what = "nulls (null here) and one empty text"
    pq.write_table(table(texts=nulls), note("pyarrow-nulls.parquet", PYARROW, what, texts=nulls))
    what = "nulls in a dictionary column, data page v2"
    kind = pa.dictionary(pa.int8(), pa.string())
    path = note("pyarrow-nulls-dictionary.parquet", PYARROW, what, texts=nulls)
    pq.write_table(table(kind, nulls), path, data_page_version="2.0")

    count = len(TEXTS)
    nested = pa.table(
        {
            "meta": [{"text": f"not this {i}", "tags": ["a", "b"], "at": {"line": i}} for i in range(count)],
            "text": TEXTS,
            "spans": [[{"text": "nor this", "from": i}] * (i % 3) for i in range(count)],
            "scores": [[i / 2] * (i % 2) for i in range(count)],
        }
    )
    pq.write_table(nested, note("pyarrow-nested.parquet", PYARROW, "structs and lists beside the text, some with a field named text"))

    options = {
        "pages-v2-snappy": ("data page v2, snappy", {"data_page_version": "2.0"}),
        "pages-v2-zstd": ("data page v2, zstd", {"data_page_version": "2.0", "compression": "zstd"}),
        "plain": ("no dictionary, no statistics", {"use_dictionary": False, "write_statistics": False}),
        "row-groups": ("row groups of two rows", {"row_group_size": 2}),
        "pages": ("pages of two rows, with indexes", {"max_rows_per_page": 2, "write_page_index": True, "write_batch_size": 1}),
        "checksums": ("a checksum in each page", {"write_page_checksum": True}),
        "bare": ("no Arrow schema, format version 1.0", {"store_schema": False, "version": "1.0"}),
    }
    for name, (what, given) in options.items():
        pq.write_table(table(), note(f"pyarrow-{name}.parquet", PYARROW, what), **given)
    for encoding in ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]:
        name = f"pyarrow-{encoding.lower().replace('_', '-')}.parquet"
        given = {"use_dictionary": False, "column_encoding": {"text": encoding}}
        pq.write_table(table(), note(name, PYARROW, f"encoding {encoding}"), **given)

    often = [TEXTS[i * i % 7] for i in range(40)]
    path = note("pyarrow-repeated.parquet", PYARROW, "texts that recur, so that the dictionary is shorter than the column", texts=often)
    pq.write_table(table(texts=often), path)

    given = {"messages": chats(), "n": list(range(len(chats())))}
    rows = [{"messages": m} for m in chats()]
    pq.write_table(pa.table(given), note("pyarrow-messages.parquet", PYARROW, "conversations as a list of structs", rows=rows))


def parquet_by_polars():
    for codec in ["zstd", "lz4", "snappy"]:
        what = f"{codec}, a string view" + (" (written as LZ4_RAW)" if codec == "lz4" else "")
        given = {} if codec == "zstd" else {"compression": codec}
        pl.DataFrame(records()).write_parquet(note(f"polars-{codec}.parquet", POLARS, what), **given)
    names = pl.DataFrame(records()).with_columns(pl.col("text").cast(pl.Categorical))
    names.write_parquet(note("polars-categorical.parquet", POLARS, "zstd, a categorical column"))


def by_duckdb():
    """Runs COPY for each form."""
    with duckdb.connect() as db:
        db.execute("SET threads = 1")
        db.register("rows", table())

        def copy(name, options, what):
            path = note(name, DUCKDB, what)
            db.execute(f"COPY (SELECT * FROM rows) TO '{path}' ({options})")

        copy("duckdb-snappy.parquet", "FORMAT parquet", "snappy, the default")
        for codec in ["zstd", "gzip", "lz4", "lz4_raw", "brotli"]:
            copy(f"duckdb-{codec.replace('_', '-')}.parquet", f"FORMAT parquet, COMPRESSION {codec}", codec)
        copy("duckdb-v2.parquet", "FORMAT parquet, PARQUET_VERSION V2", "snappy, PARQUET_VERSION V2")
        copy("duckdb-lines.json", "FORMAT json", "one object a line, in a file named .json")
        copy("duckdb-array.json", "FORMAT json, ARRAY true", "an array of objects")
        copy("duckdb.csv", "FORMAT csv, HEADER", "a header, quotes where needed")


def by_datasets():
    """What `datasets` writes as one file, and as folders."""
    made = datasets.Dataset(table(), fingerprint="0123456789abcdef")
    made.to_parquet(note("datasets.parquet", DATASETS, "to_parquet"))
    made.to_json(note("datasets.jsonl", DATASETS, "to_json, one object a line"))
    path = note("datasets-records.json", DATASETS, "to_json(orient='records', lines=False), an array")
    made.to_json(path, orient="records", lines=False)
    made.to_csv(note("datasets.csv", DATASETS, "to_csv"))

    made.save_to_disk(note("datasets-saved", DATASETS, "save_to_disk of a Dataset: a folder with an Arrow stream"), num_shards=2)

    train, test = TEXTS[:5], TEXTS[5:]
    what = "save_to_disk of a DatasetDict; the texts in the order of the files' paths"
    path = note("datasets-splits", DATASETS, what, texts=test + train, splits={"train": train, "test": test})
    splits = {"train": train, "test": test}
    splits = {name: datasets.Dataset(table(texts=texts), fingerprint="0" * 16) for name, texts in splits.items()}
    datasets.DatasetDict(splits).save_to_disk(path)

    # `map` on a dataset that was read from a folder leaves its result beside the data; state.json does not name it.
    what = "save_to_disk, and a cache-*.arrow that a map() left there, which is no part of the data"
    path = note("datasets-stale", DATASETS, what, stale=[t.upper() for t in TEXTS])
    made.save_to_disk(path)
    datasets.load_from_disk(path).map(lambda row: {"text": row["text"].upper()}, new_fingerprint="fedcba9876543210")
    assert (path / "cache-fedcba9876543210.arrow").exists()


def by_spark():
    """What Spark writes is a folder; the names of its parts hold a random UUID, which is replaced by a fixed one."""
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    import pyspark
    from pyspark.sql import SparkSession

    tool = f"pyspark {pyspark.__version__}"
    scratch = Path(tempfile.mkdtemp())
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.driver.memory", "1g")
    spark = builder.config("spark.sql.warehouse.dir", str(scratch / "warehouse")).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        rows = [(n, t) for n, t in enumerate(TEXTS, 1)]
        one = spark.createDataFrame(spark.sparkContext.parallelize(rows, 1), "n long, text string")

        def single(data, name, form, **options):
            folder = scratch / name
            writer = data.write.format(form).options(**options)
            writer.save(str(folder))
            (part,) = folder.glob("part-*")
            shutil.copyfile(part, FILES / name)

        for codec, what in [
            ("snappy", "snappy, the default"),
            ("gzip", "gzip"),
            ("zstd", "zstd"),
            ("lz4", "LZ4 in Hadoop's frames (the codec LZ4, not LZ4_RAW); Spark names such parts .lz4hadoop.parquet"),
            ("lz4_raw", "LZ4_RAW"),
        ]:
            name = f"spark-{codec.replace('_', '-')}.parquet"
            note(name, tool, what)
            single(one, name, "parquet", **({} if codec == "snappy" else {"compression": codec}))

        # Hadoop compresses at most 256 KiB at once. A longer page is several blocks, each behind both its lengths; what the
        # encoder hands over in one piece of more than that, as it does with larger pages, is one block of several chunks:
        # one length before compression, and then one compressed length for each chunk.
        times = 3000
        data = spark.createDataFrame(spark.sparkContext.parallelize(rows, 1), "n long, text string")
        data = data.selectExpr("text").rdd.mapPartitions(lambda part: list(part) * times).toDF("text string")
        plain = {"parquet.enable.dictionary": "false", "parquet.page.row.count.limit": "1000000"}
        for name, more, what in [
            ("spark-lz4-blocks.parquet", {}, "several blocks a page"),
            ("spark-lz4-chunks.parquet", {"parquet.page.size": str(8 << 20)}, "parquet.page.size 8 MiB: blocks of several chunks"),
        ]:
            note(name, tool, f"LZ4 in Hadoop's frames, {what}; the texts stand there `times` times", times=times)
            ROWS[name]["count"] *= times
            single(data, name, "parquet", compression="lz4", **plain, **more)

        note("spark-lines.json", tool, "one object a line, in a file named .json")
        single(one, "spark-lines.json", "json")

        path = note("spark-folder", tool, "a whole folder of two parts, with _SUCCESS and checksums")
        two = spark.createDataFrame(spark.sparkContext.parallelize(rows, 2), "n long, text string")
        two.write.parquet(str(scratch / "folder"))
        path.mkdir()
        for file in (scratch / "folder").iterdir():
            name = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "01234567-89ab-4cde-8f01-23456789abcd", file.name)
            shutil.copyfile(file, path / name)
    finally:
        spark.stop()
        shutil.rmtree(scratch)


# ---------------------------------------------------------------- Arrow IPC


def arrow():
    def put(name, data, what, stream=False, texts=None, **options):
        path = note(name, PYARROW, what, texts=texts)
        write_options = ipc.IpcWriteOptions(**options)
        opened = ipc.new_stream if stream else ipc.new_file
        with pa.OSFile(str(path), "wb") as sink, opened(sink, data[0].schema, options=write_options) as writer:
            for part in data:
                writer.write_table(part)

    whole = [table()]
    for codec in [None, "lz4", "zstd"]:
        end, what = (f"-{codec}", codec) if codec else ("", "no compression")
        put(f"arrow-file{end}.arrow", whole, f"IPC file, {what}", compression=codec)
        put(f"arrow-stream{end}.arrow", whole, f"IPC stream, {what}", stream=True, compression=codec)
    put("arrow-stream.arrows", [table(texts=TEXTS[:3]), table(texts=TEXTS[3:])], "IPC stream of two batches, named .arrows", stream=True)
    put("arrow-large-string.arrow", [table(pa.large_string())], "IPC file, large_string")
    put("arrow-string-view.arrow", [table(pa.string_view())], "IPC file, string_view")
    put("arrow-string-view-zstd.arrow", [table(pa.string_view())], "IPC file, string_view, zstd", compression="zstd")
    put("arrow-binary.arrow", [table(pa.binary())], "IPC file, binary that is UTF-8")
    put("arrow-dictionary.arrow", [table(pa.dictionary(pa.int8(), pa.string()))], "IPC file, dictionary of int8 and string")
    kind = pa.dictionary(pa.int32(), pa.large_string())
    put("arrow-dictionary-large-zstd.arrow", [table(kind)], "IPC file, dictionary of int32 and large_string, zstd", compression="zstd")

    # Two batches with the dictionaries [0..3] and [0..7]: the second is sent as what is added, or in the first's place.
    kind = pa.dictionary(pa.int32(), pa.string())

    def part(indices, words):
        column = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(words))
        return pa.table({"text": column}, schema=pa.schema([("text", kind)]))

    grown = [part([0, 1, 2], TEXTS[:3]), part([3, 4, 5, 6, 0], TEXTS)]
    texts = TEXTS + TEXTS[:1]
    what = "IPC stream, a dictionary that grows by a delta"
    put("arrow-dictionary-delta.arrow", grown, what, stream=True, texts=texts, emit_dictionary_deltas=True)
    replaced = [part([0, 1, 2], TEXTS[:3]), part([3, 2, 1, 0], TEXTS[:2:-1])]
    what = "IPC stream, a second dictionary in the place of the first"
    put("arrow-dictionary-replaced.arrow", replaced, what, stream=True)

    nulls = [None] + TEXTS[:3] + [None, ""] + TEXTS[3:]
    put("arrow-nulls.arrow", [table(texts=nulls)], "IPC file, nulls (null here) and one empty text", texts=nulls)

    frame().to_feather(note("pandas.feather", PANDAS, "to_feather: version 2, an IPC file with lz4"))
    what = "Feather version 2 without compression"
    feather.write_feather(table(), str(note("pyarrow-none.feather", PYARROW, what)), compression="uncompressed")

    made = pl.DataFrame(records())
    made.write_ipc(note("polars.arrow", POLARS, "write_ipc: IPC file, string view"))
    made.write_ipc(note("polars-zstd.arrow", POLARS, "write_ipc, zstd, string view"), compression="zstd")
    made.write_ipc(note("polars-lz4.arrow", POLARS, "write_ipc, lz4, string view"), compression="lz4")
    oldest = pl.CompatLevel.oldest()
    made.write_ipc(note("polars-oldest.arrow", POLARS, "write_ipc(compat_level=oldest): large_string"), compat_level=oldest)
    made.write_ipc_stream(note("polars-stream.arrow", POLARS, "write_ipc_stream: IPC stream, string view"))


# ---------------------------------------------------------------- JSON, CSV and encodings


def json_files():
    made = frame()
    made.to_json(note("pandas-records.json", PANDAS, "to_json(orient='records'): an array, escapes for all but ASCII"), orient="records")
    given = {"orient": "records", "lines": True}
    made.to_json(note("pandas-lines.jsonl", PANDAS, "one object a line, escapes for all but ASCII"), **given)
    made.to_json(note("pandas-utf8.jsonl", PANDAS, "one object a line, force_ascii=False"), force_ascii=False, **given)
    made.to_json(note("pandas-indent.json", PANDAS, "an array over several lines"), orient="records", indent=2)
    gz = {"method": "gzip", "mtime": 0}
    made.to_json(note("pandas-lines.json.gz", PANDAS, "one object a line, gzip"), compression=gz, **given)
    made.to_json(note("pandas-lines.json.zst", PANDAS, "one object a line, zstd"), compression="zstd", **given)
    made.to_json(note("pandas-records.json.gz", PANDAS, "an array, gzip"), orient="records", compression=gz)

    made = pl.DataFrame(records())
    made.write_ndjson(note("polars.ndjson", POLARS, "write_ndjson"))
    made.write_json(note("polars.json", POLARS, "write_json: an array"))
    made.write_csv(note("polars.csv", POLARS, "write_csv"))

    data = {"version": "1", "data": [{"text": t, "id": f"q{i}"} for i, t in enumerate(TEXTS)]}
    write("squad.json", json.dumps(data).encode(), PYTHON, "one object whose array `data` holds the rows")


def chats():
    """Conversations with roles."""
    return [
        [{"role": "user", "content": TEXTS[0]}, {"role": "assistant", "content": TEXTS[2]}],
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": TEXTS[3]},
            {"role": "assistant", "content": TEXTS[4]},
            {"role": "user", "content": TEXTS[5]},
            {"role": "assistant", "content": TEXTS[6]},
        ],
        [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}],
    ]


def instructions():
    rows = [
        {"instruction": "Translate into Dutch.", "input": "The rain\nin Spain", "output": "De regen\nin Spanje"},
        {"instruction": "Name three colours.", "input": "", "output": "Red, green and blue."},
        {"instruction": TEXTS[3], "input": TEXTS[4], "output": TEXTS[2]},
        {"instruction": "Repeat it.", "input": TEXTS[5], "output": TEXTS[5]},
        {"instruction": "Give a large number.", "input": "", "output": TEXTS[6]},
    ]
    text = json.dumps(rows, ensure_ascii=False, indent=4)
    write("alpaca.json", text.encode(), PYTHON, "an array with instruction, input (at times empty) and output", rows=rows)

    rows = [{"prompt": r["instruction"], "answer": r["output"]} for r in rows]
    write("prompts.jsonl", lines(rows).encode(), PYTHON, "prompt and answer, one object a line", rows=rows)
    rows = [{"prompt": r["prompt"], "completion": " " + r["answer"]} for r in rows]
    write("completions.jsonl", lines(rows).encode(), PYTHON, "prompt and completion, which begins with a space", rows=rows)

    names = {"system": "system", "user": "human", "assistant": "gpt"}
    rows = [
        {"id": f"identity_{i}", "conversations": [{"from": names[m["role"]], "value": m["content"]} for m in chat]}
        for i, chat in enumerate(chats())
    ]
    write("sharegpt.jsonl", lines(rows).encode(), PYTHON, "conversations with from and value, one a line", rows=rows)
    write("sharegpt.json", json.dumps(rows, indent=2).encode(), PYTHON, "the same as an array", rows=rows)
    rows = [{"messages": chat} for chat in chats()]
    write("messages.jsonl", lines(rows).encode(), PYTHON, "messages with role and content, one a line", rows=rows)


def encodings():
    """CSV and JSON lines in encodings other than UTF-8; `encoding` names the one that the bytes do not name themselves."""
    made = frame()
    made.to_csv(note("pandas-utf8.csv", PANDAS, "to_csv, UTF-8"), index=False)
    made.to_csv(note("pandas-index.csv", PANDAS, "to_csv with the index, a column without a name"))
    made.to_csv(note("pandas-utf8-sig.csv", PANDAS, "to_csv, UTF-8 with a byte order mark"), index=False, encoding="utf-8-sig")
    what = "to_csv, UTF-16 with a byte order mark"
    made.to_csv(note("pandas-utf16.csv", PANDAS, what), index=False, encoding="utf-16")
    made.to_csv(note("pandas.tsv", PANDAS, "to_csv with tabs"), index=False, sep="\t")
    gz = {"method": "gzip", "mtime": 0}
    made.to_csv(note("pandas.csv.gz", PANDAS, "to_csv, gzip"), index=False, compression=gz)

    western = ["Plain, ASCII", "Crème brûlée – “quotes”", "Price: 5 €…", 'Line\nfeed, "quotes"', TEXTS[6]]
    frame(western).to_csv(note("pandas-cp1252.csv", PANDAS, "cp1252", texts=western, encoding="cp1252"), index=False, encoding="cp1252")
    # The second bytes of the third text are those of ASCII's backslash and pipe.
    japanese = ["Plain, ASCII", "日本語の文章、かなとカナ", "表示ソースの能力、ポスト", "ｶﾅ, 改\n行", TEXTS[6]]
    path = note("pandas-shift-jis.csv", PANDAS, "Shift_JIS", texts=japanese, encoding="shift_jis")
    frame(japanese).to_csv(path, index=False, encoding="shift_jis")

    sink = io.StringIO()
    writer = csv.writer(sink)
    writer.writerows([["n", "text"], *enumerate(TEXTS, 1)])
    write("python.csv", sink.getvalue().encode(), PYTHON, "csv.writer: lines end in CR LF, texts hold LF")

    text = lines(records())
    write("gb18030.jsonl", text.encode("gb18030"), PYTHON, "JSON lines, GB 18030", encoding="gb18030")
    write("utf16le.jsonl", b"\xff\xfe" + text.encode("utf-16-le"), PYTHON, "JSON lines, UTF-16LE with a byte order mark")
    write("utf16be.jsonl", b"\xfe\xff" + text.encode("utf-16-be"), PYTHON, "JSON lines, UTF-16BE with a byte order mark")
    write("utf8-bom-crlf.jsonl", b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(), PYTHON, "a byte order mark, lines end in CR LF")
    whole = "\n".join(TEXTS) + "\n"
    what = "one text, UTF-32LE with a byte order mark"
    write("utf32.txt", b"\xff\xfe\0\0" + whole.encode("utf-32-le"), PYTHON, what, texts=[whole])


# ---------------------------------------------------------------- compression and archives


def frames():
    data = lines(records()).encode()
    third = len(data) // 3

    def wide(window):
        given = zstandard.ZstdCompressionParameters.from_level(1, window_log=window)
        run = zstandard.ZstdCompressor(compression_params=given).compressobj()
        # A flush before the end keeps the encoder from taking the window down to the content.
        return run.compress(data[:third]) + run.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) + run.compress(data[third:]) + run.flush()

    for name, window, size in [("window.jsonl.zst", 27, "128 MiB"), ("long.jsonl.zst", 30, "1 GiB")]:
        made = wide(window)
        assert zstandard.get_frame_parameters(made).window_size == 1 << window
        write(name, made, ZSTANDARD, f"a frame whose header declares a window of {size} and no size (zstd --long={window})")
    encode = zstandard.ZstdCompressor(level=3, write_checksum=True).compress
    skipped = struct.pack("<II", 0x184D2A50, 4) + b"skip"
    made = skipped + encode(data[:third]) + skipped + encode(data[third:])
    write("frames.jsonl.zst", made, ZSTANDARD, "two frames with checksums, cut inside a line, and frames to be skipped")

    def member(part, name):
        sink = io.BytesIO()
        with gzip.GzipFile(name, "wb", 9, sink, mtime=0) as file:
            file.write(part)
        return sink.getvalue()

    made = member(data[:third], "a.jsonl") + member(b"", "")
    made += gzip.compress(data[third : 2 * third], mtime=0) + member(data[2 * third :], "c.jsonl")
    write("members.jsonl.gz", made, PYTHON, "four members, cut inside lines, one of them empty")


def archives():
    texts = {f"texts/{i}.txt": t for i, t in enumerate(TEXTS[:5])} | {"texts/crème/汉字.md": TEXTS[5]}
    rows = {"a.jsonl": lines(records(TEXTS[:3])), "b/c.jsonl": lines(records(TEXTS[3:]))}

    def tarred(files, mode):
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode=mode) as tar:
            for folder in sorted({n.rsplit("/", 1)[0] for n in files if "/" in n}):
                info = tarfile.TarInfo(folder + "/")
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            for name, text in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(text.encode())
                tar.addfile(info, io.BytesIO(text.encode()))
        return sink.getvalue()

    class Pipe(io.RawIOBase):
        """Where nobody can go back, so that sizes come behind the data."""

        def __init__(self):
            self.data = b""

        def writable(self):
            return True

        def write(self, data):
            self.data += bytes(data)
            return len(data)

    def zipped(files, method, sink=None):
        sink = sink or io.BytesIO()
        with zipfile.ZipFile(sink, "w", method) as archive:
            for name, text in files.items():
                archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), text.encode(), method)
        return sink.data if isinstance(sink, Pipe) else sink.getvalue()

    given = {"texts": list(texts.values()), "names": list(texts)}
    write("texts.tar", tarred(texts, "w"), PYTHON, "text files, folders, a name in UTF-8 (pax)", **given)
    write("texts.tar.gz", gzip.compress(tarred(texts, "w"), mtime=0), PYTHON, "the same with gzip", **given)
    write("texts-deflate.zip", zipped(texts, zipfile.ZIP_DEFLATED), PYTHON, "text files, deflate, a name in UTF-8", **given)
    write("texts-stored.zip", zipped(texts, zipfile.ZIP_STORED), PYTHON, "text files, stored", **given)
    what = "text files, deflate, sizes behind the data (bit 3), as written into a pipe"
    write("texts-streamed.zip", zipped(texts, zipfile.ZIP_DEFLATED, Pipe()), PYTHON, what, **given)
    given = {"names": list(rows)}
    write("lines.tar", tarred(rows, "w"), PYTHON, "JSON lines", **given)
    write("lines.tar.gz", gzip.compress(tarred(rows, "w"), mtime=0), PYTHON, "JSON lines, gzip", **given)
    write("lines-deflate.zip", zipped(rows, zipfile.ZIP_DEFLATED), PYTHON, "JSON lines, deflate", **given)
    write("lines-stored.zip", zipped(rows, zipfile.ZIP_STORED), PYTHON, "JSON lines, stored", **given)
    inner = {"a.jsonl.gz": gzip.compress(rows["a.jsonl"].encode(), mtime=0), "b.parquet": (FILES / "pyarrow-string.parquet").read_bytes()}
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in inner.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data)
    what = "a .jsonl.gz and a .parquet inside a zip"
    write("mixed.zip", sink.getvalue(), PYTHON, what, texts=TEXTS[:3] + TEXTS, names=list(inner))


# ---------------------------------------------------------------- WARC

HEAD = '<!doctype html><html><head><title>Title</title>{}<script>var hidden = "script";</script></head>'


def page(sentence, meta=""):
    return HEAD.format(meta) + f"<body><h1>Heading</h1><p>{sentence}</p></body></html>\n"


def chunked(body, size=40, extension="", trailer=""):
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    made = b"".join(b"%x%s\r\n%s\r\n" % (len(p), extension.encode(), p) for p in parts)
    return made + b"0\r\n" + trailer.encode() + b"\r\n"


def warcinfo(writer, info, given):
    return writer.create_warc_record(None, "warcinfo", info, warc_content_type="application/warc-fields", warc_headers_dict=given)


def warc(name, pages, what, gz=True, **more):
    """A WARC of responses; `pages` are (address, headers, body, what it shows)."""
    sink = io.BytesIO()
    writer = WARCWriter(sink, gzip=gz, warc_version="1.0")
    ids = iter(range(1, 1000))

    def fixed():
        return {"WARC-Record-ID": f"<urn:uuid:00000000-0000-4000-8000-{next(ids):012x}>", "WARC-Date": "2024-01-02T03:04:05Z"}

    info = io.BytesIO(b"software: warcio\r\nformat: WARC File Format 1.0\r\n")
    given = fixed() | {"WARC-Filename": name}
    writer.write_record(warcinfo(writer, info, given))
    for address, headers, body, _ in pages:
        host, path = address.split("/", 3)[2:]
        asked = StatusAndHeaders(f"GET /{path} HTTP/1.1", [("Host", host)], is_http_request=True)
        writer.write_record(writer.create_warc_record(address, "request", http_headers=asked, warc_headers_dict=fixed()))
        answer = StatusAndHeaders("200 OK", headers, protocol="HTTP/1.1")
        record = writer.create_warc_record(address, "response", io.BytesIO(body), http_headers=answer, warc_headers_dict=fixed())
        writer.write_record(record)
    data = sink.getvalue()
    shown = [p[3] for p in pages]
    more = {"count": len(pages), "contains": shown, "uris": [p[0] for p in pages]} | more
    write(name, data, WARCIO, what, **more)
    return data


def html(**headers):
    """Headers of a page; an underline in a name is a hyphen."""
    given = {"Content-Type": "text/html; charset=utf-8"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return list(given.items())


def warcs():
    at = "https://example.org/"
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    squeeze = {
        "identity": lambda b: b,
        "gzip": lambda b: gzip.compress(b, mtime=0),
        "deflate-zlib": lambda b: zlib.compress(b, 9),
        "deflate-raw": lambda b: raw.compress(b) + raw.flush(),
        "br": lambda b: brotli.compress(b),
        "zstd": lambda b: zstandard.ZstdCompressor().compress(b),
        "gzip-two-members": lambda b: gzip.compress(b[:70], mtime=0) + gzip.compress(b[70:], mtime=0),
    }
    pages = []
    for name, encode in squeeze.items():
        shown = f"This page came as {name}: crème, 汉字, 😀."
        body = encode(page(shown).encode())
        said = {} if name == "identity" else {"Content_Encoding": name.split("-")[0]}
        pages.append((at + name, html(**said, Content_Length=str(len(body))), body, shown))
    shown = "This page came as x-gzip, in capitals."
    pages.append((at + "x-gzip", html(content_encoding="X-GZIP"), gzip.compress(page(shown).encode(), mtime=0), shown))
    shown = "This page came as gzip inside br."
    body = brotli.compress(gzip.compress(page(shown).encode(), mtime=0))
    pages.append((at + "gzip-br", html(Content_Encoding="gzip, br"), body, shown))
    warc("encodings.warc.gz", pages, "responses with Content-Encoding, raw as a browser gets them")

    pages = []
    shown = "These chunks are not compressed: é."
    pages.append((at + "chunked", html(Transfer_Encoding="chunked"), chunked(page(shown).encode()), shown))
    shown = "These chunks hold gzip: é."
    body = chunked(gzip.compress(page(shown).encode(), mtime=0))
    pages.append((at + "chunked-gzip", html(Transfer_Encoding="chunked", Content_Encoding="gzip"), body, shown))
    shown = "These chunks hold br."
    body = chunked(brotli.compress(page(shown).encode()))
    pages.append((at + "chunked-br", html(Transfer_Encoding="chunked", Content_Encoding="br"), body, shown))
    shown = "These chunks have extensions and a trailer."
    body = chunked(page(shown).encode(), extension=';name="value"', trailer="Expires: 0\r\n")
    pages.append((at + "chunked-trailer", html(Transfer_Encoding="chunked"), body, shown))
    shown = "The header says chunked and the body is not."
    pages.append((at + "not-chunked", html(Transfer_Encoding="chunked"), page(shown).encode(), shown))
    shown = "The header says gzip and the body is not."
    pages.append((at + "not-gzip", html(Content_Encoding="gzip"), page(shown).encode(), shown))
    shown = "Common Crawl keeps the header under another name."
    pages.append((at + "crawl", html(X_Crawl_Content_Encoding="br", X_Crawl_Transfer_Encoding="chunked"), page(shown).encode(), shown))
    warc("chunked.warc.gz", pages, "responses with Transfer-Encoding; two that some crawlers write although their headers are wrong")

    plain = "text/html"
    pages = []
    for label, shown in [
        ("iso-8859-1", "Déjà vu, señor, straße"),
        ("windows-1251", "Съешь же ещё этих мягких булок"),
        ("shift_jis", "表示ソースの能力、日本語"),
        ("euc-kr", "다람쥐 헌 쳇바퀴"),
        ("gb2312", "汉字和拼音"),
    ]:
        pages.append((at + label, html(Content_Type=f"{plain}; charset={label}"), page(shown).encode(label), shown))
    shown = "“Quotes” and 5 € under the name of Latin 1"
    pages.append((at + "latin1-is-cp1252", html(Content_Type=f"{plain};charset=ISO-8859-1"), page(shown).encode("cp1252"), shown))
    shown = "Zażółć gęślą jaźń"
    meta = '<meta charset="windows-1250">'
    pages.append((at + "meta", html(Content_Type=plain), page(shown, meta).encode("cp1250"), shown))
    shown = "Ελληνικά με επικεφαλίδα"
    meta = '<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=ISO-8859-7">'
    pages.append((at + "meta-http-equiv", html(Content_Type=plain), page(shown, meta).encode("iso-8859-7"), shown))
    shown = "The header wins over the meta: é"
    meta = '<meta charset="iso-8859-1">'
    pages.append((at + "header-and-meta", html(), page(shown, meta).encode(), shown))
    shown = "The byte order mark wins over the header: é"
    pages.append((at + "bom", html(Content_Type=f"{plain}; charset=iso-8859-1"), b"\xef\xbb\xbf" + page(shown).encode(), shown))
    shown = "UTF-16LE with its mark: é 汉"
    pages.append((at + "utf-16", html(Content_Type=plain), b"\xff\xfe" + page(shown).encode("utf-16-le"), shown))
    shown = "Nothing says UTF-8 here: é 汉"
    pages.append((at + "unsaid", html(Content_Type=plain), page(shown).encode(), shown))
    shown = "Plain Latin 1 text: é"
    pages.append((at + "plain", html(Content_Type="text/plain; charset=latin1"), shown.encode("latin-1"), shown))
    warc("charsets.warc.gz", pages, "responses in several encodings, as the WHATWG's Encoding Standard names them")

    pages = [(at + str(i), html(), page(t).encode(), t) for i, t in enumerate(["First page, not compressed: é", "Second page: 汉字"])]
    data = warc("plain.warc", pages, "not compressed; warcinfo and request records between the responses", gz=False)
    more = {"count": 2, "contains": [p[3] for p in pages], "uris": [p[0] for p in pages]}
    what = "the same in one gzip member, as gzip makes it of a .warc"
    write("whole.warc.gz", gzip.compress(data, mtime=0), f"{WARCIO}, {PYTHON}", what, **more)
    made = zstandard.ZstdCompressor(level=3).compress(data)
    write("whole.warc.zst", made, f"{WARCIO}, {ZSTANDARD}", "the same in one zstd frame", **more)

    site = "https://robots.example/"
    robots = "User-agent: *\nDisallow: /private/\nCrawl-delay: 5\n\nUser-agent: GPTBot\nDisallow: /\n"
    text = [("Content-Type", "text/plain")]
    pages = [
        (site + "robots.txt", text, robots.encode(), "User-agent: *\nDisallow: /private/"),
        (site + "open/one", html(), page("This page is open to all but one robot.").encode(), "This page is open to all but one robot."),
        (site + "private/two", html(), page("This page is closed to all robots.").encode(), "This page is closed to all robots."),
    ]
    what = "a host's robots.txt (status 200, text/plain) and two of its pages"
    warc("robots.warc.gz", pages, what, robots=robots, disallowed=[site + "private/two"])

    site = "https://tags.example/"
    pages = []
    for name, given, meta in [
        ("none", {}, ""),
        ("noindex", {"X_Robots_Tag": "noindex, nofollow"}, ""),
        ("noai", {"X_Robots_Tag": "noai, noimageai"}, ""),
        ("one-robot", {"x_robots_tag": "otherbot: noindex"}, ""),
        ("tdm", {"TDM_Reservation": "1", "TDM_Policy": "https://tags.example/policy.json"}, ""),
        ("meta-noai", {}, '<meta name="robots" content="noai">'),
        ("meta-tdm", {}, '<meta name="tdm-reservation" content="1">'),
    ]:
        shown = f"The page {name} shows this."
        pages.append((site + name, html(**given), page(shown, meta).encode(), shown))
    warc("x-robots-tag.warc.gz", pages, "pages with X-Robots-Tag, TDM-Reservation and such meta elements; `contains` lists all pages")

    sink = io.BytesIO()
    writer = WARCWriter(sink, gzip=True, warc_version="1.0")
    given = {"WARC-Record-ID": "<urn:uuid:00000000-0000-4000-8000-000000000000>", "WARC-Date": "2024-01-02T03:04:05Z"}
    info = io.BytesIO(b"Software-Info: ia-web-commons\r\n")
    writer.write_record(warcinfo(writer, info, dict(given)))
    for i, text in enumerate(TEXTS):
        given["WARC-Record-ID"] = f"<urn:uuid:00000000-0000-4000-8000-{i + 1:012x}>"
        of = given["WARC-Record-ID"].replace("-8000-", "-9000-")
        more = given | {"WARC-Refers-To": of, "WARC-Identified-Content-Language": "eng,fra"}
        body = io.BytesIO(text.encode())
        made = writer.create_warc_record(f"{at}{i}", "conversion", body, warc_content_type="text/plain", warc_headers_dict=more)
        writer.write_record(made)
    write("pages.warc.wet.gz", sink.getvalue(), WARCIO, "WET: conversion records", uris=[f"{at}{i}" for i in range(len(TEXTS))])


def main():
    global OUT, FILES
    parser = argparse.ArgumentParser(description="writes the test files and rows.json")
    parser.add_argument("out", type=Path, help="the folder that gets files/ and rows.json; what it has of these is replaced")
    parser.add_argument("--no-spark", action="store_true", help="leave out what Spark writes")
    given = parser.parse_args()
    OUT = given.out.resolve()
    FILES = OUT / "files"
    shutil.rmtree(FILES, ignore_errors=True)
    FILES.mkdir(parents=True)
    datasets.disable_progress_bars()
    steps = [parquet_by_pandas, parquet_by_pyarrow, parquet_by_polars, by_duckdb, by_datasets, arrow]
    steps += [json_files, instructions, encodings, frames, archives, warcs]
    for step in steps if given.no_spark else steps + [by_spark]:
        step()
    rows = dict(sorted(ROWS.items()))
    (OUT / "rows.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(rows)} entries in {OUT}")


if __name__ == "__main__":
    main()
