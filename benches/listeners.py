"""What a thousand clients that listen to the events of a run cost `frazil serve`.

    python benches/listeners.py --bin target/release [--listeners 1000] [--times 3]

`--bin` holds frazil. A run waits for a source that answers nothing yet; clients take up `/jobs/ID/events`, each over a
connection of its own; then the source answers that it has nothing, and the run ends. Every client must have been sent the
same events, the last of them the end. Memory is resident (VmRSS) with all of them listening, and the most that it came to (VmHWM),
over what it is before the first.
"""

import argparse
import http.client
import http.server
import json
import os
import re
import resource
import selectors
import socket
import statistics
import subprocess
import tempfile
import threading
import time

PIPELINE = """frazil: 1
id: drizzle
datasets:
  rain:
    title: Rain
    time: {{ step: P1D }}
    variables: {{ precip: {{ units: mm, cell: total, dtype: float32, nodata: -9999 }} }}
steps:
  missing: {{ uses: enumerate-periods, with: {{ dataset: rain, start: "2024-01-01", end: "2024-01-02" }} }}
  slices:
    uses: fetch
    needs: missing
    with:
      source: cog
      url: "http://127.0.0.1:{port}/{{{{ period | date('%Y.%m.%d') }}}}.tif"
      variables: {{ precip: {{ band: 1 }} }}
  daily: {{ uses: append-commit, needs: slices, with: {{ dataset: rain }} }}
"""


class Source(http.server.BaseHTTPRequestHandler):
    answers = threading.Event()

    def do_GET(self):
        self.answers.wait()
        self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def memory(process):
    with open(f"/proc/{process.pid}/status") as status:
        found = dict(line.split(":", 1) for line in status)
    return [int(found[name].split()[0]) / 1024 for name in ["VmRSS", "VmHWM"]]


def serve(frazil, folder):
    command = [frazil, "serve", "--format", "json", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    line = json.loads(process.stdout.readline())
    return process, line["url"].removeprefix("http://")


def ask(address, method, path):
    connection = http.client.HTTPConnection(address)
    connection.request(method, path, "{}" if method == "POST" else None, {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())


def listen(address, path):
    host, port = address.split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
    connection.setblocking(False)
    return connection


def gathered(connections, until):
    """What each was sent, until `until` holds of all that was sent."""
    sent = dict.fromkeys(connections, b"")
    with selectors.DefaultSelector() as ready:
        for connection in connections:
            ready.register(connection, selectors.EVENT_READ)
        while not until(sent):
            for key, _ in ready.select(1):
                part = key.fileobj.recv(65536)
                sent[key.fileobj] += part
                if not part:
                    ready.unregister(key.fileobj)
    return sent


def measured(frazil, count):
    Source.answers.clear()
    source = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Source)
    threading.Thread(target=source.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "pipelines"))
        with open(os.path.join(folder, "frazil.yaml"), "w") as file:
            file.write(f"frazil: 1\nid: listeners\nserve: {{ limits: {{ connections: {count + 100} }} }}\n")
        with open(os.path.join(folder, "pipelines", "rain.yaml"), "w") as file:
            file.write(PIPELINE.format(port=source.server_port))
        process, address = serve(frazil, folder)
        job = ask(address, "POST", "/processes/drizzle/execution")["jobID"]
        while ask(address, "GET", f"/jobs/{job}")["status"] != "running":
            time.sleep(0.01)
        before = memory(process)[0]
        connections = [listen(address, f"/jobs/{job}/events") for _ in range(count)]
        first = gathered(connections, lambda sent: all(b"event: started" in text for text in sent.values()))
        listening = memory(process)[0]
        released = time.perf_counter()
        Source.answers.set()
        rest = gathered(connections, lambda sent: all(b"event: finished" in text for text in sent.values()))
        took = time.perf_counter() - released
        most = memory(process)[1]
        ids = {tuple(re.findall(rb"^id: (\d+)", first[one] + rest[one], re.M)) for one in connections}
        assert len(ids) == 1, "clients were sent different events"
        (events,) = ids
        assert [int(n) for n in events] == list(range(1, len(events) + 1)), events
        process.terminate()
        process.wait()
    source.shutdown()
    return listening - before, most - before, took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    frazil = os.path.abspath(os.path.join(arguments.bin, "frazil"))
    turns = [measured(frazil, arguments.listeners) for _ in range(arguments.times)]
    listening, most, took = (statistics.median(turn[at] for turn in turns) for at in range(3))
    print(f"{arguments.listeners} listeners, {arguments.times} times: {listening:.0f} MiB, at most {most:.0f} MiB")
    print(f"all of them had the end of the run {1000 * took:.0f} ms after its source answered")


main()
