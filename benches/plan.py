"""What `frazil plan` of 16,000 daily periods takes, over a local store that holds none, half, nearly all or all of them.

    cargo build --release -p frazil && cargo build --release -p frazil-gdal --example make-rainfall
    python benches/plan.py --frazil target/release/frazil --make target/release/examples/make-rainfall

The source is one small GeoTIFF under 16,000 names, on disk. Months hang from the days, and weeks in a second file
hang from them too, so that the whole cascade is planned. Each figure is the least of five processes: CPU seconds
(user + system) and peak memory from wait4.
"""

import argparse
import datetime
import os
import pathlib
import shutil
import subprocess
import tempfile

DAYS = 16_000
FIRST = datetime.date(1981, 1, 1)

PROJECT = """frazil: 1
id: long
stores: { cubes: ./cubes }
"""

DAILY = """frazil: 1
id: daily
params: { end: { type: period, default: latest } }
datasets:
  days:
    title: Days
    time: { step: P1D, start: "1981-01-01" }
    chunks: { time: 365 }
    variables: { precip: { units: mm, cell: total, dtype: float32, nodata: -9999 } }
  months: { title: Months, time: { step: P1M } }
steps:
  missing: { uses: enumerate-periods, with: { dataset: days, end: "{{ params.end }}", batch: 1000 } }
  slices:
    uses: fetch
    needs: missing
    with: { source: cog, url: "input/{{ period.year }}/{{ period | date('%Y%m%d') }}.tif", in-flight: 8 }
  days: { uses: append-commit, needs: slices, with: { dataset: days } }
  months: { uses: derived-resample, needs: days, with: { dataset: months, method: sum } }
"""

WEEKLY = """frazil: 1
id: weekly
datasets: { weeks: { title: Weeks, time: { step: P1W } } }
triggers: [ { dataset: days } ]
steps:
  days: { uses: open-dataset, with: { dataset: days } }
  weeks: { uses: derived-resample, needs: days, with: { dataset: weeks, method: sum } }
"""


def lay_out(folder, make):
    (folder / "pipelines").mkdir()
    (folder / "frazil.yaml").write_text(PROJECT)
    (folder / "pipelines" / "daily.yaml").write_text(DAILY)
    (folder / "pipelines" / "weekly.yaml").write_text(WEEKLY)
    subprocess.run([make, folder / "made", "1", "64", "64"], check=True, stdout=subprocess.DEVNULL)
    (file,) = (folder / "made").rglob("*.tif")
    for n in range(DAYS):
        day = FIRST + datetime.timedelta(days=n)
        place = folder / "input" / str(day.year)
        place.mkdir(parents=True, exist_ok=True)
        os.link(file, place / day.strftime("%Y%m%d.tif"))


def measure(command, folder):
    """CPU seconds, peak MiB and output of one process."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out)
        _, status, used = os.wait4(process.pid, 0)
        assert status == 0, f"{command} ended with {status}"
        out.seek(0)
        return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, out.read().decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frazil", type=pathlib.Path, required=True)
    parser.add_argument("--make", type=pathlib.Path, required=True)
    args = parser.parse_args()
    frazil, make = args.frazil.resolve(), args.make.resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="frazil-plan-"))
    try:
        lay_out(folder, make)
        last = FIRST + datetime.timedelta(days=DAYS - 1)
        plan = [frazil, "plan", "days+", "-p", f"daily.end={last}"]
        print("| held | asked for | CPU | peak |\n|---|---|---|---|")
        for held in (0, DAYS // 2, DAYS - 10, DAYS):
            if held:
                end = FIRST + datetime.timedelta(days=held - 1)
                run = [frazil, "run", "days+", "-p", f"daily.end={end}"]
                subprocess.run(run, cwd=folder, check=True, capture_output=True)
            runs = [measure(plan, folder) for _ in range(5)]
            cpu, memory = min(cpu for cpu, _, _ in runs), min(peak for _, peak, _ in runs)
            missing = DAYS - held
            told = f"{missing}: " if missing else "daily: nothing to do"
            assert told in runs[0][2], runs[0][2]
            print(f"| {held} | {missing} | {cpu:.3f} s | {memory:.0f} MiB |", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
