"""Kills `frazil run` at random moments, a thousand times, and looks for what was lost, doubled or stuck.

    python benches/kills.py --bin target/release [--kills 1000] [--seed 1]

`--bin` holds frazil, frazil-gdal, serve-files and examples/make-rainfall. A cube is killed five times in
a row at moments spread over the length of a whole run, then a run may finish; every value, attribute and
label of its cubes is compared with those of a run that nobody killed (tests/python/compare_cubes.py).
The time from each start after a kill to its first durable event is what a restart costs.

Needs: icechunk 2, zarr 3, numpy.
"""

import argparse
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
IN_A_ROW = 5


def project(folder, url):
    """The rainfall example, small, fed by the server at `url`."""
    for path in ["frazil.yaml", "pipelines/rainfall.yaml"]:
        text = (ROOT / "examples/rainfall" / path).read_text()
        text = text.replace("chunks: { time: 30, y: 180, x: 240 }", "chunks: { time: 30 }")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace("http://127.0.0.1:8080", url))


def start(frazil, folder):
    command = [frazil, "run", "rainfall", "--format", "json"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(frazil, folder):
    """A run that must succeed; seconds until its first durable event and until its end."""
    began = time.monotonic()
    run = start(frazil, folder)
    run.stdout.readline()
    first = time.monotonic() - began
    _, errors = run.communicate()
    if run.returncode != 0:
        sys.exit(f"a run after {IN_A_ROW} kills ended with {run.returncode}:\n{errors}")
    return first, time.monotonic() - began


def killed(frazil, folder, moment):
    """Whether the run was still at work after `moment` seconds."""
    run = start(frazil, folder)
    try:
        run.communicate(timeout=moment)
        return False
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGKILL)
        run.communicate()
        return True


def stuck(frazil, folder):
    listed = subprocess.run([frazil, "runs", "--format", "json", "--limit", "100"], cwd=folder, capture_output=True, text=True, check=True)
    return [line for line in map(json.loads, listed.stdout.splitlines()) if line["status"] in ("running", "dead")]


def differences(paths):
    scripts = ROOT / "tests/python"
    found = []
    for dataset in ["rain_daily", "rain_monthly"]:
        command = [sys.executable, scripts / "run.py", scripts / "compare_cubes.py", *[str(path / dataset) for path in paths]]
        found += json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def measure(bin, folder, url, kills, seed):
    frazil = str(bin / "frazil")
    project(folder, url)
    _, whole = finish(frazil, folder)
    (folder / "cubes").rename(folder / "reference")
    moments, done, restarts, cubes, wrong = random.Random(seed), 0, [], 0, []
    while done < kills:
        for name in ["cubes", ".frazil", "stac"]:
            shutil.rmtree(folder / name, ignore_errors=True)
        for _ in range(IN_A_ROW):
            # A run that came to its end leaves the next nothing to be killed at.
            if not killed(frazil, folder, moments.uniform(0, whole)):
                break
            done += 1
        restarts.append(finish(frazil, folder)[0])
        wrong += stuck(frazil, folder) + differences([folder / "reference", folder / "cubes"])
        cubes += 1
    return {"kills": done, "cubes": cubes, "wrong": wrong, "restart_s": sorted(restarts)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    bin = args.bin.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make = [str(bin / "examples/make-rainfall"), str(folder / "input"), str(args.days), "48", "36"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        server = subprocess.Popen([str(bin / "serve-files"), str(folder / "input")], stdout=subprocess.PIPE, text=True)
        try:
            # It prints where it serves as soon as it does.
            url = next(word for word in server.stdout.readline().split() if word.startswith("http://"))
            found = measure(bin, folder, url.rstrip("/"), args.kills, args.seed)
        finally:
            server.terminate()
            server.wait()
    restarts = found["restart_s"]
    print(f"{found['kills']} kills of {found['cubes']} cubes: {len(found['wrong'])} lost, doubled or stuck")
    print(f"restart to first durable event: median {restarts[len(restarts) // 2]:.3f} s, most {restarts[-1]:.3f} s")
    for wrong in found["wrong"][:20]:
        print(wrong)
    return 1 if found["wrong"] else 0


sys.exit(main())
