"""What other engines take for graphs of tasks that do nothing, beside frazil in the same run.

    python benches/engine_peers.py --bin target/release [--only make,ninja,…]

Two graphs: 1 → 1,000 → 1, and 200 in a row. Each measurement is a process of its own; CPU seconds (user +
system, children included) and peak memory come from wait4. Peers that are not installed are left out and
named: make and ninja from the system, the others from PyPI (`pip install luigi ninja snakemake dagster
prefect`) in the interpreter that runs this script. frazil's own graphs come from
`examples/engine_cost`, with every transition durable; of the peers only Luigi's, make's and ninja's states
are files or nothing, Dagster and Prefect keep a database too.

Also: the time from the start of `frazil run` to its first durable task.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time

FAN, CHAIN = 1_000, 200


def edges(graph):
    """Tasks by name, each with what it needs."""
    if graph == "fan":
        middle = [f"n{i}" for i in range(FAN)]
        return {"first": [], **{name: ["first"] for name in middle}, "last": middle}
    return {f"n{i}": [f"n{i - 1}"] if i else [] for i in range(CHAIN)}


# --- peers: what is written into a folder, and the command that runs it --------------------------------


def make(folder, tasks):
    rules = "".join(f"{name}: {' '.join(needs)}\n\t@true\n" for name, needs in tasks.items())
    last = list(tasks)[-1]
    (folder / "Makefile").write_text(f".PHONY: {' '.join(tasks)}\nall: {last}\n{rules}")
    return ["make", "-s", "-j2", "all"]


def ninja(folder, tasks):
    builds = "".join(f"build {name}: noop {' '.join(needs)}\n" for name, needs in tasks.items())
    (folder / "build.ninja").write_text(f"rule noop\n  command = :\n{builds}default {list(tasks)[-1]}\n")
    program = shutil.which("ninja") or str(pathlib.Path(sys.executable).parent / "ninja")
    return [program, "-j2", "--quiet"]


def python(folder, tasks, text):
    (folder / "tasks.json").write_text(json.dumps(tasks))
    (folder / "flow.py").write_text("import json\nTASKS = json.load(open('tasks.json'))\n" + textwrap.dedent(text))
    return [sys.executable, "flow.py"]


def luigi(folder, tasks):
    return python(folder, tasks, """
        import luigi, pathlib
        class Noop(luigi.Task):
            name = luigi.Parameter()
            def requires(self):
                return [Noop(name=need) for need in TASKS[self.name]]
            def output(self):
                return luigi.LocalTarget(f"done/{self.name}")
            def run(self):
                with self.output().open("w") as file:
                    file.write("")
        luigi.build([Noop(name=list(TASKS)[-1])], local_scheduler=True, log_level="WARNING")
        assert pathlib.Path("done", list(TASKS)[-1]).exists()
    """)


def snakemake(folder, tasks):
    rules = [f"rule all:\n    input: 'done/{list(tasks)[-1]}'\n"]
    for name, needs in tasks.items():
        inputs = ", ".join(f"'done/{need}'" for need in needs)
        given = f"    input: {inputs}\n" if needs else ""
        rules.append(f"rule {name}:\n{given}    output: touch('done/{name}')\n")
    (folder / "Snakefile").write_text("\n".join(rules))
    return [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all"]


def dagster(folder, tasks):
    return python(folder, tasks, """
        import tempfile
        from dagster import DagsterInstance, DependencyDefinition, GraphDefinition, In, MultiDependencyDefinition
        from dagster import Nothing, Out, op
        def noop(name, needs):
            ins = {"waits": In(Nothing)} if needs else {}
            @op(name=name, ins=ins, out=Out(Nothing))
            def run():
                return None
            return run
        ops = [noop(name, needs) for name, needs in TASKS.items()]
        waits = {
            name: {"waits": MultiDependencyDefinition([DependencyDefinition(need) for need in needs])}
            for name, needs in TASKS.items() if needs
        }
        job = GraphDefinition(name="bench", node_defs=ops, dependencies=waits).to_job()
        with tempfile.TemporaryDirectory() as home:
            with DagsterInstance.local_temp(home) as instance:
                assert job.execute_in_process(instance=instance).success
    """)


def prefect(folder, tasks):
    os.environ["PREFECT_HOME"] = str(folder / "home")
    os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
    os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "300"
    return python(folder, tasks, """
        from prefect import flow, task
        @task
        def noop():
            return None
        @flow
        def bench():
            known = {}
            for name, needs in TASKS.items():
                known[name] = noop.submit(wait_for=[known[need] for need in needs])
            known[list(TASKS)[-1]].result()
        bench()
    """)


PEERS = {"make": make, "ninja": ninja, "luigi": luigi, "snakemake": snakemake, "dagster": dagster, "prefect": prefect}


def there(peer):
    return shutil.which(peer) is not None or importlib.util.find_spec(peer) is not None


# --- measuring ------------------------------------------------------------------------------------------


def run(command, folder):
    """CPU seconds, seconds by the clock and peak MiB of a process and its children."""
    with open(folder / "output", "wb") as output:
        began = time.monotonic()
        child = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
    if status != 0:
        raise RuntimeError(f"{command[:3]} ended with {status}: {(folder / 'output').read_text()[-2000:]}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def measured(peer, graph, tries):
    best = None
    for _ in range(tries):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            found = run(PEERS[peer](folder, edges(graph)), folder)
        best = min(best or found, found)
    return best


def own(bin, what, tries):
    lines = []
    for _ in range(tries):
        output = subprocess.run([bin / "examples/engine_cost", what], capture_output=True, text=True, check=True)
        lines.append(json.loads(output.stdout))
    return min(lines, key=lambda line: line.get("over_floor", line["cpu_s"]))


PROJECT = {
    "frazil.yaml": "frazil: 1\nid: cold\n",
    "pipelines/cold.yaml": """\
frazil: 1
id: cold_start
datasets:
  cold:
    title: Nothing
    time: { step: P1D, start: "2024-01-01" }
    variables: { rain: { units: mm, cell: total, dtype: float32 } }
steps:
  missing: { uses: enumerate-periods, with: { dataset: cold, files: { glob: "*.none", date: "%Y" } } }
""",
}


def cold_start(frazil):
    """Seconds from the start of `frazil run` to the event that its first task has started."""
    times = []
    for _ in range(20):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for path, text in PROJECT.items():
                (folder / path).parent.mkdir(exist_ok=True)
                (folder / path).write_text(text)
            began = time.monotonic()
            child = subprocess.Popen([frazil, "run", "cold_start", "--format", "json"], cwd=folder, stdout=subprocess.PIPE, text=True)
            for line in child.stdout:
                if '"started"' in line:
                    times.append(time.monotonic() - began)
                    break
            child.communicate()
            if child.returncode != 0:
                raise RuntimeError(f"frazil run ended with {child.returncode}")
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="holds frazil and examples/engine_cost")
    parser.add_argument("--only", help="peers, with commas between")
    parser.add_argument("--tries", type=int, default=3, help="the one of least CPU is shown: others only add to it")
    args = parser.parse_args()
    bin = args.bin.resolve()
    rows = []
    for what in ["fan", "chain", "periods", "fewer"]:
        line = own(bin, what, args.tries)
        more = f"; {line['over_floor']:.2f} × 200 SQLite transactions ({line['floor_wall_s']:.3f} s)" if "over_floor" in line else ""
        rows.append(("frazil", what, line["cpu_s"], line["wall_s"], line["peak_mib"], more))
    wanted = args.only.split(",") if args.only else list(PEERS)
    missing = [peer for peer in wanted if not there(peer)]
    for peer in wanted:
        if peer in missing:
            continue
        for graph in ["fan", "chain"]:
            try:
                rows.append((peer, graph, *measured(peer, graph, args.tries), ""))
            except RuntimeError as error:
                print(f"{peer} {graph}: {error}", file=sys.stderr)
    print("| engine | graph | CPU s | wall s | peak MiB |\n|---|---|---|---|---|")
    for engine, graph, cpu, wall, peak, more in rows:
        print(f"| {engine} | {graph} | {cpu:.2f} | {wall:.2f} | {peak:.0f} |{more}")
    print(f"\ncold start to first task: {cold_start(str(bin / 'frazil')) * 1e3:.0f} ms (median of 20)")
    if missing:
        print(f"not installed: {', '.join(missing)}")


main()
