"""What an idle server of a hundred pipelines costs: the time to its first answer, and its memory.

    python benches/serving.py --bin target/release [--pipelines 100] [--times 10]

`--bin` holds frazil. Each pipeline fetches one dataset, derives another from it and has a line of cron; none
is ever run. The time is from the start of the process to the whole answer of `/health/ready`, asked for again
each millisecond, with files in the page cache. Memory is resident (VmRSS) ten seconds after that.
"""

import argparse
import os
import socket
import statistics
import subprocess
import tempfile
import time

PIPELINE = """frazil: 1
id: rain{n}
title: Rain {n}
datasets:
  rain{n}_daily:
    title: Daily rain {n}
    time: {{ step: P1D, start: "2020-01-01", late: 3d }}
    variables: {{ precip: {{ units: mm, cell: total, dtype: float32, nodata: -9999 }} }}
  rain{n}_monthly:
    title: Monthly rain {n}
    time: {{ step: P1M }}
triggers:
  - cron: "0 0 1 1 *"
  - http: {{}}
steps:
  missing: {{ uses: enumerate-periods, with: {{ dataset: rain{n}_daily }} }}
  slices:
    uses: fetch
    needs: missing
    with:
      source: cog
      url: "https://data.example.org/{n}/{{{{ period.year }}}}/{{{{ period | date('%Y.%m.%d') }}}}.tif"
      variables: {{ precip: {{ band: 1 }} }}
  daily: {{ uses: append-commit, needs: slices, with: {{ dataset: rain{n}_daily }} }}
  monthly: {{ uses: derived-resample, needs: daily, with: {{ dataset: rain{n}_monthly, method: sum }} }}
"""


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while part := connection.recv(4096):
                answer += part
            return answer.startswith(b"HTTP/1.1 204")
    except OSError:
        return False


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def resident(process):
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--pipelines", type=int, default=100)
    parser.add_argument("--times", type=int, default=10)
    arguments = parser.parse_args()
    frazil = os.path.abspath(os.path.join(arguments.bin, "frazil"))
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "pipelines"))
        with open(os.path.join(folder, "frazil.yaml"), "w") as file:
            file.write("frazil: 1\nid: bench\n")
        for n in range(arguments.pipelines):
            with open(os.path.join(folder, "pipelines", f"rain{n}.yaml"), "w") as file:
                file.write(PIPELINE.format(n=n))
        times = []
        for turn in range(arguments.times + 1):
            port = free_port()
            start = time.perf_counter()
            process = subprocess.Popen(
                [frazil, "serve", "--listen", f"127.0.0.1:{port}"], cwd=folder, stderr=subprocess.DEVNULL
            )
            while not answers(port):
                assert process.poll() is None, "the server ended"
                time.sleep(0.001)
            # The first makes the state and fills the page cache.
            if turn > 0:
                times.append(time.perf_counter() - start)
            if turn == arguments.times:
                time.sleep(10)
                memory = resident(process)
            process.terminate()
            process.wait()
    times = [1000 * t for t in times]
    print(f"{arguments.pipelines} pipelines, {arguments.times} starts")
    print(f"first answer: median {statistics.median(times):.0f} ms, slowest {max(times):.0f} ms (reach: 100 ms)")
    print(f"idle: {memory:.1f} MiB resident (reach: 60 MB)")


main()
