#!/usr/bin/env python3
"""Triggers over HTTP: how long one takes until its run is durable and answered for, how long a status takes, and
whether all runs of a minute of triggers come to their end.

    benches/triggers.py [--frazil target/release/frazil] [--rate 200] [--seconds 60] [--pipelines 20]

A project of small pipelines is made in a temporary folder and served on loopback. Triggers are sent by a clock, not
one after the other: one that is answered late does not make the next one late. The time of one is from the moment at
which it was due. Beside it stands what one durable append to a file takes on this disk.
"""

import argparse
import http.client
import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from pathlib import Path

PIPELINE = """frazil: 1
id: p{n}
datasets:
  d{n}:
    title: Nothing
    time: {{ step: P1D }}
    variables: {{ v: {{ units: mm, cell: total, dtype: float32 }} }}
steps:
  missing: {{ uses: enumerate-periods, with: {{ dataset: d{n}, start: "2024-01-01", end: "2024-01-02" }} }}
"""


def quantiles(times):
    times = sorted(times)
    at = lambda q: times[min(len(times) - 1, int(q * len(times)))] * 1000
    return {"p50": round(at(0.5), 2), "p99": round(at(0.99), 2), "max": round(times[-1] * 1000, 2)}


def fsync(folder, count=200):
    times = []
    with open(folder / "probe", "wb") as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(b"x" * 512)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return quantiles(times)


def project(folder, args):
    limits = f"serve: {{ limits: {{ queue: {args.rate * args.seconds + 1000}, runs: {args.runs} }} }}\n"
    keep = f"history: {{ runs: {args.rate * args.seconds * 2 + 1000} }}\n"
    (folder / "frazil.yaml").write_text("frazil: 1\nid: triggers\n" + keep + limits)
    (folder / "pipelines").mkdir()
    for n in range(args.pipelines):
        (folder / "pipelines" / f"p{n}.yaml").write_text(PIPELINE.format(n=n))


def serve(folder, frazil):
    began = time.perf_counter()
    command = [frazil, "serve", "--format", "json", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=open(folder / "serve.log", "ab"))
    for line in process.stdout:
        line = json.loads(line)
        if line.get("event") == "listening":
            threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True).start()
            return process, line["url"].removeprefix("http://"), time.perf_counter() - began
    raise SystemExit((folder / "serve.log").read_text())


class Caller(threading.Thread):
    """Sends what is due, over a connection of its own."""

    def __init__(self, address, due, work):
        super().__init__(daemon=True)
        self.address, self.due, self.work = address, due, work
        self.times, self.answers = [], []

    def run(self):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        while True:
            item = self.due.get()
            if item is None:
                return
            at, what = item
            self.answers.append(self.work(connection, what))
            self.times.append(time.perf_counter() - at)


def by_the_clock(address, rate, seconds, what, work):
    """Calls `work` on each of `what` at a steady rate, whatever it takes."""
    due = queue.Queue()
    callers = [Caller(address, due, work) for _ in range(32)]
    for caller in callers:
        caller.start()
    began = time.perf_counter()
    for n in range(rate * seconds):
        at = began + n / rate
        time.sleep(max(0.0, at - time.perf_counter()))
        due.put((at, what(n)))
    for _ in callers:
        due.put(None)
    for caller in callers:
        caller.join()
    return [t for c in callers for t in c.times], [a for c in callers for a in c.answers]


def ask(connection, method, path, body=None):
    headers = {"Content-Type": "application/json"} if body is not None else {}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def trigger(connection, pipeline):
    status, body = ask(connection, "POST", f"/processes/{pipeline}/execution", b'{"inputs": {}}')
    return status, json.loads(body)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frazil", default="target/release/frazil", type=lambda path: Path(path).resolve())
    parser.add_argument("--rate", type=int, default=200, help="triggers in a second")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--pipelines", type=int, default=20)
    parser.add_argument("--runs", type=int, default=os.cpu_count(), help="runs at work at a time")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        project(folder, args)
        process, address, cold = serve(folder, args.frazil)
        try:
            measure(folder, address, cold, args)
        finally:
            process.terminate()
            process.wait()


def measure(folder, address, cold, args):
    print(json.dumps({"what": "start to listening", "ms": round(cold * 1000, 1)}))
    print(json.dumps({"what": "a durable append of 512 bytes", "ms": fsync(folder)}))
    times, answers = by_the_clock(address, args.rate, args.seconds, lambda n: f"p{n % args.pipelines}", trigger)
    jobs = [body["jobID"] for status, body in answers if status == 201]
    print(json.dumps({"what": "trigger to durable 201", "rate": args.rate, "ms": quantiles(times), "of": len(times)}))
    refused = [(status, body) for status, body in answers if status != 201]
    assert not refused, refused[:3]
    assert len(set(jobs)) == len(jobs), "two triggers were given one run"

    connection = http.client.HTTPConnection(address, timeout=60)
    began, left = time.perf_counter(), set(jobs)
    while left:
        for job in list(left):
            status = json.loads(ask(connection, "GET", f"/jobs/{job}")[1])["status"]
            if status in ("failed", "dismissed"):
                raise SystemExit(f"{job} is {status}")
            if status == "successful":
                left.discard(job)
            elif len(left) > 100:
                break
        print(f"\r{len(left)} left ", end="", flush=True)
        time.sleep(0.2)
        assert time.perf_counter() - began < 600, f"{len(left)} runs are stuck"
    print(json.dumps({"what": "all runs over after the last trigger", "s": round(time.perf_counter() - began, 1)}))

    def look(connection, job):
        return ask(connection, "GET", f"/jobs/{job}")[0]

    times, answers = by_the_clock(address, args.rate, 5, lambda n: jobs[n % len(jobs)], look)
    assert set(answers) == {200}, set(answers)
    print(json.dumps({"what": "status of a run", "rate": args.rate, "ms": quantiles(times)}))


if __name__ == "__main__":
    main()
