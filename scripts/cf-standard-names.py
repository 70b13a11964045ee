#!/usr/bin/env python3
"""Makes engine/src/cf/standard-names.txt from the CF standard name table.

The table is the XML that the CF community publishes every few months; the PyPI package
`compliance-checker` carries a copy:

    pip download --no-deps compliance-checker
    scripts/cf-standard-names.py compliance_checker-*.whl > engine/src/cf/standard-names.txt

Kept are names, canonical units and what old names are called now; not the descriptions.
"""

import sys
import xml.etree.ElementTree as tree
import zipfile


def table(path):
    if path.endswith(".whl"):
        with zipfile.ZipFile(path) as wheel:
            return tree.fromstring(wheel.read("compliance_checker/data/cf-standard-name-table.xml"))
    return tree.parse(path).getroot()


def lines(root):
    names = {}
    for entry in root.findall("entry"):
        names[entry.get("id")] = (entry.findtext("canonical_units") or "").strip()
    for alias in root.findall("alias"):
        now = [entry.text for entry in alias.findall("entry_id")]
        # An old name that became two, or that is a name of its own again, says nothing.
        if len(now) == 1 and alias.get("id") not in names:
            names[alias.get("id")] = "> " + now[0]
    yield f"# CF standard name table, version {root.findtext('version_number')}"
    yield "# name: canonical units; old name: > name"
    for name in sorted(names):
        yield f"{name}: {names[name]}"


print("\n".join(lines(table(sys.argv[1]))))
