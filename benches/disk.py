"""Disk of a dataset after a thousand commits of one period each, before and after maintenance.

    python benches/disk.py --bin target/release [--days 1000]

`--bin` holds frazil and examples/make-rainfall.

Days of 360 x 480 cells are made by the example program, read from this machine and committed one by one,
once with chunks of one period and once with chunks of thirty. `frazil gc` then lets go of all but the head.
Bytes are those of files, and in brackets those that the disk gives them (blocks).
"""

import argparse
import datetime
import os
import subprocess
import tempfile

FOLDERS = ["chunks", "manifests", "snapshots", "transactions", "overwritten", "repo"]

PIPELINE = """frazil: 1
id: daily-rain
datasets:
  rain:
    title: Rain
    time: {{ step: P1D }}
    variables: {{ precip: {{ units: mm, cell: total, dtype: float32, nodata: -9999 }} }}
    chunks: {{ time: {time}, y: 360, x: 480 }}
steps:
  missing: {{ uses: enumerate-periods, with: {{ dataset: rain, start: "2024-01-01", end: "{end}", batch: 1 }} }}
  slices:
    uses: fetch
    needs: missing
    with:
      source: cog
      url: "{input}/{{{{ period.year }}}}/rain.{{{{ period | date('%Y.%m.%d') }}}}.tif"
      variables: {{ precip: {{ band: 1 }} }}
      in-flight: 8
  daily: {{ uses: append-commit, needs: slices, with: {{ dataset: rain }} }}
"""


def sizes(root):
    found = {}
    for folder in FOLDERS:
        path = os.path.join(root, folder)
        files = [path] if os.path.isfile(path) else [
            os.path.join(place, name) for place, _, names in os.walk(path) for name in names
        ]
        stats = [os.stat(file) for file in files]
        found[folder] = (len(stats), sum(s.st_size for s in stats), sum(s.st_blocks * 512 for s in stats))
    return found


def show(title, found):
    print(f"| {title} | files | bytes | on disk |")
    print("|---|---|---|---|")
    for folder, (count, size, blocks) in found.items():
        print(f"| {folder} | {count} | {size:,} | {blocks:,} |")
    total = sum(size for _, size, _ in found.values())
    blocks = sum(blocks for _, _, blocks in found.values())
    _, chunks, chunk_blocks = found["chunks"]
    print(f"| all, times the chunks | | {total / chunks:.2f} | {blocks / chunk_blocks:.2f} |\n")


def measure(frazil, data, root, chunk, days):
    """One project: its commits, then what maintenance leaves."""
    end = datetime.date(2024, 1, 1) + datetime.timedelta(days=days - 1)
    os.makedirs(os.path.join(root, "pipelines"))
    with open(os.path.join(root, "frazil.yaml"), "w") as file:
        file.write("frazil: 1\nid: disk\ncrs: EPSG:4326\nstores: { cubes: ./cubes }\n")
    with open(os.path.join(root, "pipelines", "rain.yaml"), "w") as file:
        file.write(PIPELINE.format(time=chunk, end=end, input=data))

    def run(*args):
        done = subprocess.run([frazil, *args], cwd=root, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(done.stderr)

    run("run", "daily-rain")
    cube = os.path.join(root, "cubes", "rain")
    show(f"chunks of {chunk}: after {days} commits", sizes(cube))
    run("gc", "rain", "--age", "0s", "--count", "1", "--unreferenced", "0s")
    show(f"chunks of {chunk}: after maintenance", sizes(cube))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True, help="folder of the release build")
    parser.add_argument("--days", type=int, default=1000)
    args = parser.parse_args()
    frazil = os.path.abspath(os.path.join(args.bin, "frazil"))
    make = os.path.abspath(os.path.join(args.bin, "examples/make-rainfall"))
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "input")
        subprocess.run([make, data, str(args.days), "480", "360"], check=True, stdout=subprocess.DEVNULL)
        for chunk in (1, 30):
            measure(frazil, data, os.path.join(folder, f"project-{chunk}"), chunk, args.days)


main()
