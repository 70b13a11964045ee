#!/usr/bin/env python3
"""What Icechunk's settings cost a dataset that grows by one period at a time.

    .venv/bin/python benches/settings.py [--lengths 10 1000 10000 100000] [--only splits coordinates inline updates]

For each setting a repository is laid down in batches of 32 periods (one array with a chunk a period, one time axis), then
grown one period a commit. Prints CPU seconds of an append, of opening and reading the axis and the newest chunk
in a process that knows nothing, and what lies in the store beside the chunks.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

BATCH, APPENDS, SIDE = 32, 20, 16

# One thing is changed at a time; the first of each list is what frazil takes.
DEFAULTS = {"splits": 1024, "coordinates": 8192, "inline": 512, "updates": 1000}
CHOICES = {
    "splits": [1024, 128, 365, 4096, None],
    "coordinates": [8192, 1024, 65536],
    "inline": [512, 0, 4096],
    "updates": [1000, 10, 100],
}


def repository(folder, settings, create):
    import icechunk

    config = icechunk.RepositoryConfig.default()
    config.inline_chunk_threshold_bytes = settings["inline"]
    config.num_updates_per_repo_info_file = settings["updates"]
    if settings["splits"]:
        size = {icechunk.ManifestSplitDimCondition.DimensionName("time"): settings["splits"]}
        splitting = icechunk.ManifestSplittingConfig.from_dict({icechunk.ManifestSplitCondition.AnyArray(): size})
        config.manifest = icechunk.ManifestConfig(splitting=splitting)
    storage = icechunk.local_filesystem_storage(str(folder))
    if create:
        return icechunk.Repository.create(storage, config=config)
    return icechunk.Repository.open(storage)


def append(repo, first, count, settings):
    import numpy
    import zarr

    session = repo.writable_session("main")
    numbers = numpy.random.default_rng(first).random((count, SIDE, SIDE), dtype="f4")
    if first == 0:
        root = zarr.group(session.store)
        root.create_array("rain", shape=(0, SIDE, SIDE), chunks=(1, SIDE, SIDE), dtype="f4",
                          dimension_names=["time", "y", "x"])
        root.create_array("time", shape=(0,), chunks=(settings["coordinates"],), dtype="i8", dimension_names=["time"])
    root = zarr.open_group(session.store)
    root["rain"].resize((first + count, SIDE, SIDE))
    root["time"].resize((first + count,))
    root["rain"][first:] = numbers
    root["time"][first:] = numpy.arange(first, first + count)
    session.commit(f"{first}")


def read(repo):
    import zarr

    root = zarr.open_group(repo.readonly_session("main").store, mode="r")
    return root["time"][:].size, float(root["rain"][-1].sum())


def beside_chunks(folder):
    """Bytes by folder, without the chunks."""
    sizes = {}
    for file in folder.rglob("*"):
        if file.is_file():
            kind = file.relative_to(folder).parts[0]
            sizes[kind] = sizes.get(kind, 0) + file.stat().st_size
    sizes.pop("chunks", None)
    return sizes


def measure(what, folder, length, settings):
    """Runs in a process of its own, and prints one JSON object."""
    folder = pathlib.Path(folder)
    if what == "read":
        import icechunk, numpy, zarr  # noqa: F401, E401  imports are not what is measured

        began = time.process_time()
        read(repository(folder, settings, False))
        return {"read": time.process_time() - began}
    repo = repository(folder, settings, True)
    for first in range(0, length, BATCH):
        append(repo, first, min(BATCH, length - first), settings)
    before = beside_chunks(folder)
    began = time.process_time()
    for n in range(APPENDS):
        append(repo, length + n, 1, settings)
    return {"append": (time.process_time() - began) / APPENDS, "laid": before, "grown": beside_chunks(folder)}


def run(what, folder, length, settings):
    program = [sys.executable, __file__, "--child", what, str(folder), str(length), json.dumps(settings)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def row(name, value, length, settings):
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        wrote = run("write", folder, length, settings)
        reads = min(run("read", folder, length, settings)["read"] for _ in range(3))
        laid = sum(wrote["laid"].values())
        each = (sum(wrote["grown"].values()) - laid) / APPENDS
        print(f"| {name} {value} | {length:,} | {wrote['append'] * 1e3:.1f} ms | {reads * 1e3:.1f} ms "
              f"| {laid / 1024:,.0f} KiB | {each / 1024:.1f} KiB |", flush=True)
    finally:
        shutil.rmtree(folder)


def main():
    if sys.argv[1:2] == ["--child"]:
        what, folder, length, settings = sys.argv[2:]
        print(json.dumps(measure(what, folder, int(length), json.loads(settings))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=[10, 1_000, 10_000, 100_000])
    parser.add_argument("--only", nargs="+", choices=list(CHOICES), default=list(CHOICES))
    asked = parser.parse_args()
    print("| setting | periods | an append | open and read | beside the chunks | more with each append |")
    print("|---|---|---|---|---|---|")
    for name in asked.only:
        for value in CHOICES[name]:
            for length in asked.lengths:
                row(name, value, length, DEFAULTS | {name: value})


if __name__ == "__main__":
    main()
