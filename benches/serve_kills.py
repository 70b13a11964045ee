"""Kills `frazil serve` at random moments under load, three hundred times, and looks for what was lost, doubled or stuck.

    python benches/serve_kills.py --bin target/release [--kills 300] [--seed 1]

`--bin` holds frazil, frazil-gdal, serve-files and examples/make-rainfall. Runs are asked for over HTTP while the server
dies and starts again, each with an `Idempotency-Key`; what was not answered is asked for again with the same key. Five
lives later all must be over: each key has one run, each run one end, and every value of the cubes is that of a run that nobody
killed (tests/python/compare_cubes.py). What a restart costs is the time from the start of the process to its first answer,
and to the first run that it goes on with.

Needs: icechunk 2, zarr 3, numpy.
"""

import argparse
import datetime
import http.client
import json
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
IN_A_ROW = 5
PATIENCE = 120


def project(folder, url):
    """The rainfall example, small, fed by the server at `url`."""
    for path in ["frazil.yaml", "pipelines/rainfall.yaml"]:
        text = (ROOT / "examples/rainfall" / path).read_text()
        text = text.replace("chunks: { time: 30, y: 180, x: 240 }", "chunks: { time: 30 }")
        text = text.split("  tidy:\n")[0]
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace("http://127.0.0.1:8080", url))


class Server:
    """`frazil serve` as a process."""

    def __init__(self, frazil, folder):
        self.began = time.monotonic()
        command = [frazil, "serve", "--format", "json", "--listen", "127.0.0.1:0"]
        log = open(folder / "serve.log", "ab")
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
        for line in self.process.stdout:
            line = json.loads(line)
            if line.get("event") == "listening":
                self.address = line["url"].removeprefix("http://")
                return
        sys.exit((folder / "serve.log").read_text())

    def since(self):
        return time.monotonic() - self.began

    def ask(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def trigger(self, key, end):
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        status, body = self.ask("POST", "/processes/rainfall/execution", json.dumps({"inputs": {"end": end}}), headers)
        if status != 201:
            sys.exit(f"a trigger was answered with {status}: {body}")
        return body["jobID"]

    def kill(self):
        self.process.kill()
        self.process.wait()


class Asker(threading.Thread):
    """Asks for runs until the server is gone: what was answered, and what was not."""

    def __init__(self, server, wanted, answered):
        super().__init__(daemon=True)
        self.server, self.wanted, self.answered = server, wanted, answered

    def run(self):
        while self.wanted:
            key, end = self.wanted[0]
            try:
                run = self.server.trigger(key, end)
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                return
            self.answered.setdefault(key, run)
            if self.answered[key] != run:
                self.answered[f"{key} again"] = run
            self.wanted.pop(0)


def runs(folder):
    """Run logs as they lie: the names of the events of each run."""
    base = sqlite3.connect(f"file:{folder / '.frazil/runs.sqlite'}?mode=ro", uri=True)
    logs = {}
    for run, line in base.execute("SELECT run, line FROM events ORDER BY run, place"):
        event = json.loads(line)["event"]
        logs.setdefault(run, []).append(event)
    base.close()
    return logs


def kind(event):
    return next(iter(event))


def is_over(log):
    return kind(log[-1]) == "finished"


def until_over(folder, count):
    began = time.monotonic()
    while True:
        logs = runs(folder)
        if len(logs) >= count and all(map(is_over, logs.values())):
            return logs
        if time.monotonic() - began > PATIENCE:
            return logs
        time.sleep(0.02)


def wrong_in(logs, answered):
    wrong = []
    if len(set(answered.values())) != len(answered):
        wrong.append("two keys were given one run")
    wrong += [f"{key} has two runs" for key in answered if key.endswith(" again")]
    wrong += [f"{run} is lost" for run in answered.values() if run not in logs]
    wrong += [f"{run} was asked for by nobody" for run in logs if run not in answered.values()]
    for run, log in logs.items():
        ends = [event for event in log if kind(event) == "finished"]
        if len(ends) != 1:
            wrong.append(f"{run} ends {len(ends)} times: stuck or doubled")
            continue
        status, opened = ends[0]["finished"]["status"], sum(kind(event) == "opened" for event in log)
        # One in which the server died three times is not tried again.
        if status != "successful" and not (status == "failed" and opened == 3):
            wrong.append(f"{run} is {status} after {opened} starts: {log[-2:]}")
    return wrong


def differences(paths):
    scripts = ROOT / "tests/python"
    found = []
    for dataset in ["rain_daily", "rain_monthly"]:
        command = [sys.executable, scripts / "run.py", scripts / "compare_cubes.py", *[str(path / dataset) for path in paths]]
        found += json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def opened(logs):
    return sum(kind(event) == "opened" for log in logs.values() for event in log)


def round_of_kills(frazil, folder, days, whole, moments, found):
    """Some lives of a server over new cubes, and one that brings all to its end."""
    first = datetime.date(2024, 1, 1)
    answered, unanswered = {}, []
    for life in range(IN_A_ROW):
        ends = [first + datetime.timedelta(days=(days * (life * 4 + n + 1)) // (IN_A_ROW * 4) - 1) for n in range(4)]
        unanswered += [(f"{life}-{n}", end.isoformat()) for n, end in enumerate(ends)]
        server = Server(frazil, folder)
        found["answer_s"].append(server.since())
        asker = Asker(server, unanswered, answered)
        asker.start()
        time.sleep(moments.uniform(0, whole))
        server.kill()
        asker.join()
        found["kills"] += 1
    before = runs(folder)
    begun = [run for run, log in before.items() if not is_over(log)]
    server = Server(frazil, folder)
    found["answer_s"].append(server.since())
    if begun:
        while opened(runs(folder)) == opened(before) and server.since() < PATIENCE:
            time.sleep(0.001)
        found["goes_on_s"].append(server.since())
    asker = Asker(server, unanswered, answered)
    asker.start()
    asker.join()
    # All days, whatever was given up.
    answered["last"] = server.trigger("last", (first + datetime.timedelta(days=days - 1)).isoformat())
    logs = until_over(folder, len(answered))
    server.kill()
    found["runs"] += len(logs)
    found["given_up"] += sum(log[-1].get("finished", {}).get("status") == "failed" for log in logs.values())
    found["wrong"] += wrong_in(logs, answered) + differences([folder / "reference", folder / "cubes"])


def forget(folder):
    for name in ["cubes", ".frazil", "stac"]:
        shutil.rmtree(folder / name, ignore_errors=True)


def measure(bin, folder, url, args):
    frazil = str(bin / "frazil")
    project(folder, url)
    server = Server(frazil, folder)
    server.trigger("whole", (datetime.date(2024, 1, 1) + datetime.timedelta(days=args.days - 1)).isoformat())
    until_over(folder, 1)
    whole = server.since()
    server.kill()
    (folder / "cubes").rename(folder / "reference")
    found = {"kills": 0, "runs": 0, "given_up": 0, "wrong": [], "answer_s": [], "goes_on_s": []}
    moments = random.Random(args.seed)
    while found["kills"] < args.kills:
        forget(folder)
        round_of_kills(frazil, folder, args.days, whole, moments, found)
    return found


def told(what, times):
    times = sorted(times)
    if times:
        print(f"{what}: median {times[len(times) // 2]:.3f} s, most {times[-1]:.3f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    bin = args.bin.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make = [str(bin / "examples/make-rainfall"), str(folder / "input"), str(args.days), "48", "36"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        files = subprocess.Popen([str(bin / "serve-files"), str(folder / "input")], stdout=subprocess.PIPE, text=True)
        try:
            # It prints where it serves as soon as it does.
            url = next(word for word in files.stdout.readline().split() if word.startswith("http://"))
            found = measure(bin, folder, url.rstrip("/"), args)
        finally:
            files.terminate()
            files.wait()
    print(f"{found['kills']} kills, {found['runs']} runs, {found['given_up']} of them given up after three deaths")
    told("start to listening", found["answer_s"])
    told("start to going on with a run", found["goes_on_s"])
    print(f"{len(found['wrong'])} lost, doubled or stuck")
    for wrong in found["wrong"][:20]:
        print(wrong)
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
