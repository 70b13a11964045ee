"""Chunks of a dataset by `frazil serve`, beside nginx that serves the same bytes as files.

    serve_zarr.py [--bin FOLDER] [--seconds 5] [--rounds 5] [--connections 16] [--work FOLDER]

Makes a map of noise, so that chunks of 237 × 237 float32 stay about 200 kB, writes each chunk out as a file for nginx, and
lets wrk ask both in turn for all of them over loopback: round by round, at the address that moves on and at that of one
snapshot. Prints requests a second and the share of nginx, the median of the rounds. Needs nginx, wrk, numpy and rasterio.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request

SIDE, CELLS = 8, 237

PIPELINE = """frazil: 1
id: bench
datasets:
  noise:
    title: Noise
    time: none
    variables: { noise: { units: m, cell: point, dtype: float32 } }
    chunks: { y: %d, x: %d }
steps:
  list: { uses: enumerate-periods, with: { dataset: noise } }
  read: { uses: fetch, needs: list, with: { source: cog, url: "noise.tif", variables: { noise: { band: 1 } } } }
  noise: { uses: append-commit, needs: read, with: { dataset: noise } }
""" % (CELLS, CELLS)

NGINX = """daemon off; worker_processes auto; pid %(work)s/nginx.pid; error_log %(work)s/nginx.log;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; client_body_temp_path %(work)s/body;
  proxy_temp_path %(work)s/proxy; fastcgi_temp_path %(work)s/fastcgi; uwsgi_temp_path %(work)s/uwsgi; scgi_temp_path %(work)s/scgi;
  server { listen 127.0.0.1:%(port)d; root %(work)s/plain; }
}
"""

# Every thread walks through all chunks.
ASK = """local n = 0
local prefix = os.getenv("PREFIX")
request = function()
  n = n + 1
  local at = n %% %d
  return wrk.format("GET", prefix .. "/noise/c/" .. math.floor(at / %d) .. "/" .. (at %% %d))
end
""" % (SIDE * SIDE, SIDE, SIDE)


def made(work, frazil):
    import numpy
    import rasterio

    cells = SIDE * CELLS
    noise = numpy.random.default_rng(1).random((cells, cells), dtype="float32")
    transform = rasterio.Affine(0.01, 0, 0, 0, -0.01, 40)
    profile = dict(driver="GTiff", dtype="float32", count=1, width=cells, height=cells, crs="EPSG:4326", transform=transform, tiled=True)
    with rasterio.open(work / "noise.tif", "w", **profile) as file:
        file.write(noise, 1)
    (work / "pipelines").mkdir()
    (work / "frazil.yaml").write_text("frazil: 1\nid: chunks\n")
    (work / "pipelines/noise.yaml").write_text(PIPELINE)
    subprocess.run([frazil, "run", "bench"], cwd=work, check=True, stdout=subprocess.DEVNULL)


def wrk(url, prefix, options, script):
    command = ["wrk", "-t2", f"-c{options.connections}", f"-d{options.seconds}s", "-s", str(script), url]
    said = subprocess.run(command, env={**os.environ, "PREFIX": prefix}, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(said)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default="target/release")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--port", type=int, default=18_099)
    options = parser.parse_args()
    frazil = str(pathlib.Path(options.bin).resolve() / "frazil")
    for program in ("nginx", "wrk"):
        if not shutil.which(program):
            raise SystemExit(f"{program} is not there: apt-get install nginx-light wrk")
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        # The workers of nginx may be somebody else.
        work.chmod(0o755)
        made(work, frazil)
        command = [frazil, "serve", "--listen", "127.0.0.1:0", "--format", "json"]
        served = subprocess.Popen(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        (work / "nginx.conf").write_text(NGINX % {"work": work, "port": options.port})
        nginx = subprocess.Popen(["nginx", "-p", str(work), "-c", str(work / "nginx.conf")], stderr=subprocess.DEVNULL)
        try:
            url = next(line["url"] for line in map(json.loads, served.stdout) if line.get("event") == "listening")
            answer = urllib.request.urlopen(f"{url}/zarr/noise/zarr.json")
            snapshot = answer.headers["frazil-snapshot"]
            sizes = []
            for row in range(SIDE):
                for column in range(SIDE):
                    key = f"noise/c/{row}/{column}"
                    data = urllib.request.urlopen(f"{url}/zarr/noise/{key}").read()
                    path = work / "plain" / key
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
                    sizes.append(len(data))
            plain = f"http://127.0.0.1:{options.port}"
            for _ in range(100):
                try:
                    urllib.request.urlopen(f"{plain}/noise/c/0/0").read()
                    break
                except OSError:
                    time.sleep(0.1)
            (work / "ask.lua").write_text(ASK)
            asked = {"nginx": (plain, ""), "moving": (url, "/zarr/noise"), "snapshot": (url, f"/zarr/noise@{snapshot}")}
            found = {name: [] for name in asked}
            for _ in range(options.rounds):
                for name, (address, prefix) in asked.items():
                    found[name].append(wrk(address, prefix, options, work / "ask.lua"))
            size = statistics.mean(sizes)
            beside = statistics.median(found["nginx"])
            print(f"{len(sizes)} chunks of {size / 1000:.0f} kB, {options.connections} connections, {options.rounds} rounds of {options.seconds} s")
            for name, rates in found.items():
                rate = statistics.median(rates)
                print(f"{name:9} {rate:9.0f} requests/s {rate * size / 1e6:9.0f} MB/s {rate / beside:7.0%}")
        finally:
            for process in (served, nginx):
                process.terminate()
            for process in (served, nginx):
                process.wait()


main()
