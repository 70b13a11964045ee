"""Maps of rain from a table of stations, each cell weighted by the square of the distance.

frazil gives the task as JSON on standard input; what this prints on standard output is the answer.
Python's own library is all that it takes.
"""

import csv
import json
import os
import struct
import sys


def geotiff(path, west, north, cell, rows):
    """An uncompressed GeoTIFF of 32-bit floats in EPSG:4326 (TIFF 6.0, GeoTIFF 1.1)."""
    height, width = len(rows), len(rows[0])
    numbers = b"".join(struct.pack(f"<{width}f", *row) for row in rows)
    extra = [
        struct.pack("<3d", cell, cell, 0.0),
        struct.pack("<6d", 0.0, 0.0, 0.0, west, north, 0.0),
        struct.pack("<16H", 1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326),
    ]
    tags = 14
    behind = 8 + 2 + 12 * tags + 4
    places = [behind + sum(len(e) for e in extra[:n]) for n in range(4)]
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 32),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, places[3]),
        (277, 3, 1, 1),
        (278, 4, 1, height),
        (279, 4, 1, len(numbers)),
        (284, 3, 1, 1),
        (339, 3, 1, 3),
        (33550, 12, 3, places[0]),
        (33922, 12, 6, places[1]),
        (34735, 3, 16, places[2]),
    ]
    with open(path, "wb") as file:
        file.write(b"II*\0" + struct.pack("<IH", 8, tags))
        for entry in entries:
            file.write(struct.pack("<HHII", *entry))
        file.write(struct.pack("<I", 0) + b"".join(extra) + numbers)


def interpolated(stations, lon, lat):
    weights = [(1 / ((lon - s["lon"]) ** 2 + (lat - s["lat"]) ** 2 + 1e-9), s["rain"]) for s in stations]
    return sum(w * rain for w, rain in weights) / sum(w for w, _ in weights)


def main():
    task = json.load(sys.stdin)
    how = task["input"]
    days = {}
    with open(how["table"], newline="") as table:
        for row in csv.DictReader(table):
            station = {key: float(row[key]) for key in ("lon", "lat", "rain")}
            days.setdefault(row["date"], []).append(station)
    slices = []
    for period in task["periods"]:
        stations = days.get(period["period"])
        if not stations:
            # Left out: not there yet. A day that never comes would be {"period": …, "status": "gap"}.
            continue
        centre = lambda n: (n + 0.5) * how["cell"]
        rows = [
            [interpolated(stations, how["west"] + centre(c), how["north"] - centre(r)) for c in range(how["columns"])]
            for r in range(how["rows"])
        ]
        name = period["period"] + ".tif"
        geotiff(os.path.join(task["folder"], name), how["west"], how["north"], how["cell"], rows)
        slices.append({"period": period["period"], "file": name})
    print(f"{len(slices)} of {len(task['periods'])} days are in the table", file=sys.stderr)
    print(json.dumps({"frazil": 1, "slices": slices}))


main()
