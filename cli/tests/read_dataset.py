"""Opens an exported dataset folder in polars, DuckDB and `datasets`, and prints ids and tokens as each of them has them, one JSON a line.

Usage: read_dataset.py FOLDER
"""
import json
import os
import sys
import tempfile

folder = sys.argv[1]
with tempfile.TemporaryDirectory() as cache:
    os.environ.update(HF_HOME=cache, HF_DATASETS_OFFLINE="1", HF_HUB_OFFLINE="1")
    import datasets
    import duckdb
    import polars

    files = folder + "/data/*.parquet"
    frame = polars.read_parquet(files)
    rows = {
        "polars": zip(frame["doc"].to_list(), frame["tokens"].to_list()),
        "duckdb": duckdb.sql(f"select doc, tokens from read_parquet('{files}', file_row_number = true) order by filename, file_row_number").fetchall(),
        "datasets": ((r["doc"], r["tokens"]) for r in datasets.load_dataset(folder, split="train")),
    }
    for name, pairs in rows.items():
        print(json.dumps({"reader": name, "rows": [[doc, list(tokens)] for doc, tokens in pairs]}))
