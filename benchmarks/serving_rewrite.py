"""Writes an export over and over, until it is killed: `serving_load.py` starts it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyarrow import parquet

from recbole_kgif.serving.export_files import (
    MANIFEST,
    TABLES,
    new_export,
    read_tensor_file,
    write_manifest,
    write_table,
    write_tensor_file,
)


def run() -> None:
    """Write what the first folder holds to the second, again and again."""
    source, target = map(Path, sys.argv[1:])
    tensors = read_tensor_file(source)
    tables = {name: parquet.read_table(source / name) for name in TABLES}
    manifest = json.loads((source / MANIFEST).read_text("utf-8"))
    print("begins", flush=True)
    while True:
        with new_export(target) as hidden:
            write_tensor_file(hidden, tensors)
            for name, table in tables.items():
                columns = {each: table.column(each) for each in table.column_names}
                write_table(hidden, name, columns)
            write_manifest(hidden, manifest)


if __name__ == "__main__":
    run()
