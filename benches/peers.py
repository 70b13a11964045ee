"""Measures frazil beside the Python way on the same files in the same run.

    python benches/peers.py --frazil target/release/frazil --serve target/release/serve-files

Every measurement is a process of its own; its CPU seconds (user + system, children included) and its
peak memory come from wait4; the run of least CPU of three is shown. For the Python way and the floor the work without imports stands beside it:
imports are no fault of the method. The floor is the unavoidable part in C libraries: read, decode, mask,
zstd, write. Prints the rows of docs/benchmarks.md.

Needs: icechunk 2, zarr 3, xarray, rasterio, rioxarray, numcodecs, numpy.
"""

import argparse
import datetime
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request

# Early enough that 30,000 days later is not in the future: what lies there cannot be had.
DAY0 = "1940-01-01"

# Each figure is the least CPU of so many runs: others on the machine only add to it.
TRIES = 3


# --- inputs -----------------------------------------------------------------------------------


def day(n):
    return datetime.date.fromisoformat(DAY0) + datetime.timedelta(days=n)


def name(n):
    return f"rain.{str(day(n)).replace('-', '.')}.tif"


def make_inputs(folder, count, rows, columns):
    """In a process of its own: a child's peak memory is never less than its parent's, so this one stays small."""
    run_worker("inputs", folder=str(folder), count=count, rows=rows, columns=columns)


def inputs(folder, count, rows, columns):
    """Rain-like fields: float32, −9999 without a NoData tag, tiled, deflate with predictor 3."""
    folder = pathlib.Path(folder)
    import numpy
    import rasterio
    from rasterio.transform import from_origin

    folder.mkdir(parents=True, exist_ok=True)
    generator = numpy.random.default_rng(7)
    y, x = numpy.mgrid[0:rows, 0:columns].astype("float32")
    for n in range(count):
        if (folder / name(n)).exists():
            continue
        front = numpy.sin(x / 37 + n / 3) + numpy.cos(y / 29 - n / 5)
        rain = numpy.maximum(0, front * 12 + generator.gamma(0.6, 2.0, (rows, columns)) - 8)
        rain = (rain * 100).round() / 100
        rain = rain.astype("float32")
        rain[(y < rows / 9) & (x < columns / 7)] = -9999
        with rasterio.open(
            folder / name(n), "w", driver="GTiff", height=rows, width=columns, count=1, dtype="float32",
            crs="EPSG:4326", transform=from_origin(-13.5, 10.1, 0.05, 0.05), tiled=True,
            blockxsize=256, blockysize=256, compress="deflate", predictor=3,
        ) as out:
            out.write(rain, 1)


# --- measuring --------------------------------------------------------------------------------


def measure(command, **more):
    """CPU seconds and peak MiB of a process with its children, and what it printed last."""
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True, **more)
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            told.seek(0)
            sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}\n{printed}{told.read()}")
    wall = time.monotonic() - begun
    lines = [line for line in printed.splitlines() if line.startswith('{"work"')]
    work = json.loads(lines[-1])["work"] if lines else None
    return {"cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss / 1024, "work": work, "wall": wall}


def least(measured, tries=TRIES):
    """The run of least CPU."""
    return min((measured() for _ in range(tries)), key=lambda result: result["cpu"])


def run_worker(what, **settings):
    """One of the functions below, in a process of its own."""
    return measure([sys.executable, __file__, "--worker", what, json.dumps(settings)])


def worker(what, target, tries=TRIES, **settings):
    """A run of a worker on a `target` that is not there before."""

    def once():
        shutil.rmtree(target, ignore_errors=True)
        return run_worker(what, **settings, target=str(target))

    return least(once, tries)


def cell(result):
    work = f", work {result['work']:.2f} s" if result["work"] is not None else ""
    return f"{result['cpu']:.2f} s, {result['rss']:.0f} MiB{work}"


def row(title, floor, peer, ours):
    print(f"| {title} | {floor} | {peer} | {ours} |", flush=True)


# --- the Python way and the floor, each in a process of its own -----------------------------------


def used():
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def ingest_python(url, count, target, chunk):
    import icechunk
    import numpy
    import rioxarray
    import xarray
    from zarr.codecs import ZstdCodec

    begun = used()
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(target))
    for n in range(count):
        field = rioxarray.open_rasterio(f"{url}/{name(n)}").squeeze("band", drop=True)
        field = field.where(field != -9999).astype("float32")
        rows, columns = field.shape
        cube = field.expand_dims(time=[numpy.datetime64(day(n), "ns")]).to_dataset(name="precip")
        cube.precip.attrs.clear()
        cube.precip.encoding.clear()
        session = repository.writable_session("main")
        if n == 0:
            encoding = {
                "precip": {"chunks": (chunk, min(512, rows), min(512, columns)), "compressors": ZstdCodec(level=3)},
                "time": {"units": "days since 1970-01-01", "dtype": "int64", "chunks": (8192,)},
            }
            cube.to_zarr(session.store, mode="w", consolidated=False, encoding=encoding)
        else:
            cube.to_zarr(session.store, append_dim="time", consolidated=False)
        session.commit(f"add {day(n)}")
    return used() - begun


def ingest_floor(url, count, target, chunk):
    import numpy
    import rasterio
    from numcodecs import Zstd

    os.makedirs(target)
    begun = used()
    zstd = Zstd(3)
    for n in range(count):
        with urllib.request.urlopen(f"{url}/{name(n)}") as reply:
            body = reply.read()
        with rasterio.MemoryFile(body) as memory, memory.open() as raster:
            field = raster.read(1)
        field[field == -9999] = numpy.nan
        for y in range(0, field.shape[0], 512):
            for x in range(0, field.shape[1], 512):
                block = numpy.ascontiguousarray(field[y : y + 512, x : x + 512])
                with open(f"{target}/{n}.{y}.{x}", "wb") as out:
                    out.write(zstd.encode(block))
    return used() - begun


def monthly_python(source, target):
    import icechunk
    import xarray
    from zarr.codecs import ZstdCodec

    begun = used()
    opened = icechunk.Repository.open(icechunk.local_filesystem_storage(source))
    cube = xarray.open_zarr(opened.readonly_session("main").store, consolidated=False, chunks=None)
    monthly = cube[["precip"]].resample(time="MS").sum(min_count=1)
    for variable in monthly.variables.values():
        variable.encoding.clear()
        variable.attrs.pop("coordinates", None)
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(target))
    session = repository.writable_session("main")
    encoding = {"precip": {"compressors": ZstdCodec(level=3)}}
    monthly.to_zarr(session.store, mode="w", consolidated=False, encoding=encoding)
    session.commit("monthly")
    return used() - begun


def monthly_floor(days, rows, columns, chunk, target, input):
    """Read and decode all chunks, add up, encode the sums, write. The chunks are made before."""
    import numpy
    import rasterio
    from numcodecs import Zstd

    os.makedirs(target)
    zstd, chunks, held = Zstd(3), 0, []
    for n in range(days):
        with rasterio.open(f"{input}/{name(n)}") as raster:
            field = raster.read(1)
        field[field == -9999] = numpy.nan
        held.append(field)
        if len(held) == chunk or n == days - 1:
            with open(f"{target}/{chunks}", "wb") as file:
                file.write(zstd.encode(numpy.stack(held)))
            chunks, held = chunks + 1, []
    begun = used()
    # Added up in float64 as they come, 30 days a month; that a cell without any number stays missing is left out.
    total, seen, months = numpy.zeros(rows * columns), 0, 0
    for n in range(chunks):
        with open(f"{target}/{n}", "rb") as file:
            fields = numpy.frombuffer(zstd.decode(file.read()), "float32").reshape(-1, rows * columns)
        for field in fields:
            numpy.add(total, field, out=total)
            seen += 1
            if seen == 30:
                with open(f"{target}/month-{months}", "wb") as file:
                    file.write(zstd.encode(total.astype("float32")))
                total, seen, months = numpy.zeros(rows * columns), 0, months + 1
    return used() - begun


def pyramid_python(source, target, levels):
    """Levels beside the data in one commit; each is the mean of the one before, as coarsen has it."""
    import icechunk
    import xarray
    from zarr.codecs import ZstdCodec

    shutil.copytree(source, target)
    begun = used()
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(target))
    session = repository.writable_session("main")
    level = xarray.open_zarr(session.store, consolidated=False, chunks=None)[["precip"]].load()
    for number in range(1, levels + 1):
        level = level.coarsen(y=2, x=2, boundary="trim").mean()
        for variable in level.variables.values():
            variable.encoding.clear()
            variable.attrs.pop("coordinates", None)
        shape = level["precip"].shape
        encoding = {"precip": {"compressors": ZstdCodec(level=3), "chunks": (1, min(512, shape[1]), min(512, shape[2]))}}
        level.to_zarr(session.store, group=str(number), mode="w", consolidated=False, encoding=encoding)
    session.commit("levels")
    return used() - begun


def pyramid_floor(days, levels, target, input):
    """Read and decode all chunks, halve them, encode the levels, write; the mean of four cells is that of those which are
    there. The chunks are made before."""
    import numpy
    import rasterio
    from numcodecs import Zstd

    os.makedirs(target)
    zstd = Zstd(3)

    def written(field, at):
        for y in range(0, field.shape[0], 512):
            for x in range(0, field.shape[1], 512):
                with open(f"{target}/{at}-{y}-{x}", "wb") as file:
                    file.write(zstd.encode(numpy.ascontiguousarray(field[y : y + 512, x : x + 512])))

    for n in range(days):
        with rasterio.open(f"{input}/{name(n)}") as raster:
            field = raster.read(1)
        field[field == -9999] = numpy.nan
        written(field, f"{n}-0")
    rows, columns = field.shape
    begun = used()
    for n in range(days):
        field = numpy.empty((rows, columns), "float32")
        for y in range(0, rows, 512):
            for x in range(0, columns, 512):
                with open(f"{target}/{n}-0-{y}-{x}", "rb") as file:
                    chunk = numpy.frombuffer(zstd.decode(file.read()), "float32")
                part = field[y : y + 512, x : x + 512]
                part[:] = chunk.reshape(part.shape)
        for level in range(1, levels + 1):
            height, width = field.shape[0] // 2 * 2, field.shape[1] // 2 * 2
            cut = field[:height, :width]
            known = cut == cut
            cut = numpy.where(known, cut, numpy.float32(0))
            sums = cut[0::2, 0::2] + cut[0::2, 1::2]
            sums += cut[1::2, 0::2]
            sums += cut[1::2, 1::2]
            counts = known[0::2, 0::2].view("u1") + known[0::2, 1::2].view("u1")
            counts += known[1::2, 0::2].view("u1")
            counts += known[1::2, 1::2].view("u1")
            with numpy.errstate(invalid="ignore"):
                field = sums / counts
            written(field, f"{n}-{level}")
    return used() - begun


def rechunk_python(source, target, chunk):
    """Blocks of whole new chunks, one after the other, array to array."""
    import icechunk
    import zarr
    from zarr.codecs import ZstdCodec

    begun = used()
    opened = icechunk.Repository.open(icechunk.local_filesystem_storage(source))
    stored = zarr.open_group(opened.readonly_session("main").store, mode="r")
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(target))
    session = repository.writable_session("main")
    root = zarr.create_group(session.store)
    for name, array in stored.arrays():
        long = name == "precip"
        made = root.create_array(
            name, shape=array.shape, dtype=array.dtype, dimension_names=array.metadata.dimension_names,
            chunks=(chunk, *array.chunks[1:]) if long else array.chunks, fill_value=array.fill_value,
            compressors=ZstdCodec(level=3) if array.shape else None, attributes=dict(array.attrs),
        )
        if not long:
            made[...] = array[...]
            continue
        for first in range(0, array.shape[0], chunk):
            made[first : first + chunk] = array[first : first + chunk]
    session.commit("rechunk")
    return used() - begun


def rechunk_floor(days, chunk, target, input):
    """Read and decode all chunks of one day, encode blocks of many, write. The chunks are made before."""
    import numpy
    import rasterio
    from numcodecs import Zstd

    os.makedirs(target)
    zstd = Zstd(3)
    for n in range(days):
        with rasterio.open(f"{input}/{name(n)}") as raster:
            field = raster.read(1)
        field[field == -9999] = numpy.nan
        with open(f"{target}/{n}", "wb") as file:
            file.write(zstd.encode(field))
    begun = used()
    block = numpy.full((chunk, field.size), numpy.nan, "float32")
    for first in range(0, days, chunk):
        for n in range(first, min(first + chunk, days)):
            with open(f"{target}/{n}", "rb") as file:
                zstd.decode(file.read(), out=block[n - first])
        with open(f"{target}/block-{first}", "wb") as file:
            file.write(zstd.encode(block))
    return used() - begun


def append_python(target, count, size):
    """One period onto what stands; lays down `count` first where nothing stands."""
    import icechunk
    import numpy
    import xarray

    storage = icechunk.local_filesystem_storage(target)

    def cube(first, length):
        times = (numpy.datetime64("1950-01-01") + numpy.arange(first, first + length)).astype("datetime64[ns]")
        values = numpy.ones((length, size, size), "float32")
        return xarray.Dataset({"precip": (("time", "y", "x"), values)}, {"time": times})

    if not os.path.exists(target):
        repository = icechunk.Repository.create(storage)
        encoding = {
            "precip": {"chunks": (1, size, size)},
            "time": {"units": "days since 1970-01-01", "dtype": "int64", "chunks": (8192,)},
        }
        for first in range(0, count, 32):
            session = repository.writable_session("main")
            part = cube(first, min(32, count - first))
            if first == 0:
                part.to_zarr(session.store, mode="w", consolidated=False, encoding=encoding)
            else:
                part.to_zarr(session.store, append_dim="time", consolidated=False)
            session.commit("lay down")
        return 0.0
    standing = icechunk.Repository.open(storage).readonly_session("main")
    held = xarray.open_zarr(standing.store, consolidated=False, chunks=None).sizes["time"]
    begun = used()
    repository = icechunk.Repository.open(storage)
    session = repository.writable_session("main")
    cube(held, 1).to_zarr(session.store, append_dim="time", consolidated=False)
    session.commit("one more")
    return used() - begun


def append_floor(target, count, size):
    """The same with Icechunk and zarr alone: manifests split, nothing read but what must be."""
    import icechunk
    import numpy
    import zarr

    storage = icechunk.local_filesystem_storage(target)

    def extend(session, length):
        root = zarr.open_group(session.store, mode="r+")
        held = root["time"].shape[0]
        # One period where it stands already; `length` while it is laid down.
        root["precip"].resize((held + length, size, size))
        root["time"].resize((held + length,))
        root["precip"][held:] = numpy.ones((length, size, size), "float32")
        root["time"][held:] = numpy.arange(held, held + length)

    if not os.path.exists(target):
        by_time = {icechunk.ManifestSplitDimCondition.DimensionName("time"): 1024}
        config = icechunk.RepositoryConfig(
            manifest=icechunk.ManifestConfig(
                splitting=icechunk.ManifestSplittingConfig.from_dict(
                    {icechunk.ManifestSplitCondition.AnyArray(): by_time}
                )
            )
        )
        repository = icechunk.Repository.create(storage, config=config)
        repository.save_config()
        session = repository.writable_session("main")
        root = zarr.create_group(session.store)
        for at, shape, chunks, dtype in (
            ("precip", (0, size, size), (1, size, size), "float32"), ("time", (0,), (8192,), "int64")
        ):
            names = ["time", "y", "x"][: len(shape)]
            root.create_array(at, shape=shape, chunks=chunks, dtype=dtype, dimension_names=names)
        session.commit("empty")
        for first in range(0, count, 32):
            session = repository.writable_session("main")
            extend(session, min(32, count - first))
            session.commit("lay down")
        return 0.0
    begun = used()
    repository = icechunk.Repository.open(storage)
    session = repository.writable_session("main")
    extend(session, 1)
    session.commit("one more")
    return used() - begun


WORKERS = {
    w.__name__: w
    for w in (
        inputs, ingest_python, ingest_floor, monthly_python, monthly_floor, rechunk_python, rechunk_floor,
        pyramid_python, pyramid_floor, append_python, append_floor,
    )
}


# --- frazil ---------------------------------------------------------------------------------------


def project(folder, url, days, chunk, batch, first=DAY0, keep=False):
    """A project of one pipeline: COGs into a daily dataset, months out of it."""
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    (folder / "pipelines").mkdir(parents=True)
    (folder / "frazil.yaml").write_text("frazil: 1\nid: bench\ncrs: EPSG:4326\nstores: { cubes: ./cubes }\n")
    last = str(day(days - 1))
    (folder / "pipelines/rain.yaml").write_text(
        textwrap.dedent(f"""\
        frazil: 1
        id: rain
        title: Rain
        params:
          end: {{ type: period, default: "{last}" }}
        datasets:
          daily:
            title: Daily rain
            time: {{ step: P1D }}
            variables: {{ precip: {{ units: mm, cell: total, dtype: float32, nodata: -9999 }} }}
            chunks: {{ time: {chunk} }}
          monthly:
            title: Monthly rain
            time: {{ step: P1M }}
        steps:
          missing:
            uses: enumerate-periods
            with: {{ dataset: daily, start: "{first}", end: "{{{{ params.end }}}}", batch: {batch} }}
          slices:
            uses: fetch
            needs: missing
            with:
              source: cog
              url: "{url}/rain.{{{{ period | date('%Y.%m.%d') }}}}.tif"
              variables: {{ precip: {{ band: 1 }} }}
              in-flight: 4
          daily: {{ uses: append-commit, needs: slices, with: {{ dataset: daily }} }}
          monthly: {{ uses: derived-resample, needs: daily, with: {{ dataset: monthly, method: sum }} }}
        """)
    )
    return folder


def run(frazil, folder, select, **params):
    command = [frazil, "--project", folder / "frazil.yaml", "run", select]
    for key, value in params.items():
        command += ["-p", f"{key}={value}"]
    return measure(command, cwd=folder)


# --- rows -------------------------------------------------------------------------------------------


def bench_ingest(place, args, count, rows, columns):
    folder = place / f"input-{rows}x{columns}"
    make_inputs(folder, count, rows, columns)
    with served(args.serve, folder) as url:
        settings = {"url": url, "count": count, "chunk": 1}
        floor = worker("ingest_floor", place / "floor", **settings)
        peer = worker("ingest_python", place / "python", **settings)
        ours = args.frazil and least(lambda: run(args.frazil, project(place / "ours", url, count, 1, 1), "daily"))
    row(f"ingest {count} COGs of {rows} × {columns} over HTTP, commit each", cell(floor), cell(peer), shown(ours))


def bench_monthly(place, args, days=366, rows=360, columns=480):
    folder = place / f"input-{rows}x{columns}"
    make_inputs(folder, days, rows, columns)
    for chunk in (1, 30):
        title = f"monthly sum of {days:,} dailies of {rows} × {columns}, chunks time {chunk}"
        settings = {"days": days, "rows": rows, "columns": columns, "chunk": chunk, "input": str(folder)}
        floor = worker("monthly_floor", place / "floor", **settings)
        if not args.frazil:
            row(title, cell(floor), "needs our cube", "–")
            continue
        with served(args.serve, folder) as url:
            ours_at = project(place / "ours", url, days, chunk, 32)
            run(args.frazil, ours_at, "daily")
            noop = least(lambda: run(args.frazil, ours_at, "daily"))

            def once():
                shutil.rmtree(ours_at / "cubes/monthly", ignore_errors=True)
                return run(args.frazil, ours_at, "monthly")

            ours = least(once)
        peer = worker("monthly_python", place / "python", source=str(ours_at / "cubes/daily"))
        row(title, cell(floor), cell(peer), f"{shown(ours)} (of which {noop['cpu']:.2f} s to find nothing to do)")


def bench_pyramid(place, args, days=32, rows=1500, columns=1800, levels=4):
    folder = place / f"input-{rows}x{columns}"
    make_inputs(folder, days, rows, columns)
    title = f"pyramid of {levels} levels, {days} × {rows} × {columns}"
    floor = worker("pyramid_floor", place / "floor", days=days, levels=levels, input=str(folder))
    if not args.frazil:
        return row(title, cell(floor), "needs our cube", "–")
    with served(args.serve, folder) as url:
        ours_at = project(place / "ours", url, days, 1, 32)
        run(args.frazil, ours_at, "daily")
    (ours_at / "pipelines/maps.yaml").write_text(
        textwrap.dedent(f"""\
        frazil: 1
        id: maps
        steps:
          open: {{ uses: open-dataset, with: {{ dataset: daily }} }}
          maps: {{ uses: pyramid, needs: open, with: {{ dataset: daily, levels: {levels} }} }}
        """)
    )
    plain = place / "plain"
    shutil.rmtree(plain, ignore_errors=True)
    shutil.copytree(ours_at / "cubes/daily", plain)

    def once():
        shutil.rmtree(ours_at / "cubes/daily")
        shutil.copytree(plain, ours_at / "cubes/daily")
        return run(args.frazil, ours_at, "maps")

    ours = least(once)
    peer = worker("pyramid_python", place / "python", source=str(plain), levels=levels)
    row(title, cell(floor), cell(peer), shown(ours))


def bench_rechunk(place, args, days=366, rows=360, columns=480, chunk=30):
    """Each try begins with a copy of the same cube; of four times the length only the memory matters."""
    folder = place / f"input-{rows}x{columns}"
    title = f"rechunk time 1 → {chunk}, {days:,} × {rows} × {columns}"
    make_inputs(folder, days, rows, columns)
    floor = worker("rechunk_floor", place / "floor", days=days, chunk=chunk, input=str(folder))
    if not args.frazil:
        row(title, cell(floor), "needs our cube", "–")
        return
    ours, stored = rechunk_ours(place, args, folder, days, chunk, TRIES)
    peer = worker("rechunk_python", place / "python", source=str(stored), chunk=chunk)
    row(title, cell(floor), cell(peer), shown(ours))
    make_inputs(folder, days * 4, rows, columns)
    longer, _ = rechunk_ours(place, args, folder, days * 4, chunk, 1)
    row(f"{title}, four times as long", "–", "–", shown(longer))


def rechunk_ours(place, args, folder, days, chunk, tries):
    """The least of some tries, and where the cube is that they begin with."""
    at, stored = place / "ours", place / "stored"
    with served(args.serve, folder) as url:
        run(args.frazil, project(at, url, days, 1, 32), "daily")
    shutil.rmtree(stored, ignore_errors=True)
    shutil.move(at / "cubes/daily", stored)
    (at / "pipelines/long.yaml").write_text(
        textwrap.dedent(f"""\
        frazil: 1
        id: long
        steps:
          daily: {{ uses: open-dataset, with: {{ dataset: daily }} }}
          long: {{ uses: rechunk, needs: daily, with: {{ dataset: daily, chunks: {{ time: {chunk} }} }} }}
        """)
    )

    def once():
        shutil.rmtree(at / "cubes/daily", ignore_errors=True)
        shutil.copytree(stored, at / "cubes/daily")
        return run(args.frazil, at, "long")

    return least(once, tries), stored


def bench_append(place, args, size=16):
    """Each try puts one more behind what stands; laid down is once."""
    for count in args.lengths:
        settings = {"count": count, "size": size}
        cells = []
        for what in ("append_floor", "append_python"):
            target = place / f"{what}-{count}"
            if not target.exists():
                worker(what, target, tries=1, **settings)
            tries = (run_worker(what, **settings, target=str(target)) for _ in range(TRIES))
            best = min(tries, key=lambda result: result["work"])
            cells.append(f"work {best['work'] * 1000:.0f} ms, {best['rss']:.0f} MiB")
        ours, after = append_ours(place, args, count, size) if args.frazil else ("–", "–")
        row(f"+1 period onto {count:,}", *cells, ours)
        row(f"+1 period onto {count:,}, after maintenance", "–", "–", after)


def append_ours(place, args, count, size):
    folder = place / f"input-{size}x{size}"
    make_inputs(folder, count + TRIES, size, size)
    at = place / f"ours-{count}"
    with served(args.serve, folder) as url:
        laid = (at / "cubes/daily").exists()
        if laid:
            shutil.rmtree(at / "pipelines")
            held = json.loads((at / "held.json").read_text())
        else:
            held = count
        project(at, url, held, 1, 32, keep=laid)
        if not laid:
            run(args.frazil, at, "daily")
        cells = []
        for _ in range(2):
            cell, held = append_tries(args, at, folder, held, size)
            cells.append(cell)
            # What is measured next has the same periods and the history of one commit.
            command = [args.frazil, "gc", "daily", "--age", "0s", "--count", "1", "--unreferenced", "0s"]
            measure(command, cwd=at)
        (at / "held.json").write_text(json.dumps(held))
    return cells


def append_tries(args, at, folder, held, size):
    """Several times one period onto `held`: what it cost, and how many stand then."""
    noop = least(lambda: run(args.frazil, at, "daily"), 2 * TRIES)
    more = []
    for _ in range(TRIES):
        make_inputs(folder, held + 1, size, size)
        more.append(run(args.frazil, at, "daily", end=str(day(held))))
        held += 1
    ours = min(more, key=lambda result: result["cpu"])
    work = (ours["cpu"] - noop["cpu"]) * 1000
    return f"work {work:.0f} ms, {ours['rss']:.0f} MiB (whole process {ours['cpu'] * 1000:.0f} ms)", held


def bench_look(place, args):
    """For information: what it costs to look."""
    folder = project(place / "look", "http://127.0.0.1:9", 16_000, 1, 32)
    command = [args.frazil, "--project", folder / "frazil.yaml"]
    plan = least(lambda: measure([*command, "plan", "daily"], cwd=folder))
    row("`plan` of 16,000 daily periods of an empty dataset", "–", "–", cell(plan))
    text = (folder / "pipelines/rain.yaml").read_text()
    for n in range(99):
        other = text.replace("id: rain", f"id: rain{n}").replace("daily", f"daily{n}").replace("monthly", f"monthly{n}")
        (folder / f"pipelines/rain{n}.yaml").write_text(other)
    check = least(lambda: measure([*command, "check"], cwd=folder))
    row("`check` of 100 pipelines", "–", "–", cell(check))


def shown(result):
    return cell(result) if result else "–"


class served:
    """The folder over HTTP with ranges, by a program that prints its URL first."""

    def __init__(self, program, folder):
        self.process = subprocess.Popen([program, folder], stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self.process.stdout.readline().strip()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frazil", help="the release build; without it only the peers are measured")
    parser.add_argument("--serve", required=True, help="the `serve-files` program of the tests")
    parser.add_argument("--work", type=pathlib.Path, help="a folder to keep inputs in; a temporary one else")
    parser.add_argument("--only", nargs="*", default=["small", "large", "monthly", "rechunk", "pyramid", "append", "look"])
    parser.add_argument("--days", type=int, default=366, help="the length of the monthly and the rechunk row")
    parser.add_argument("--lengths", nargs="*", type=int, default=[30, 3_000, 30_000])
    args = parser.parse_args()
    args.frazil = args.frazil and os.path.abspath(args.frazil)
    place = args.work or pathlib.Path(tempfile.mkdtemp(prefix="frazil-bench-"))
    place.mkdir(parents=True, exist_ok=True)
    print("| work | floor | Python (xarray, rioxarray, icechunk) | frazil |\n|---|---|---|---|")
    if "small" in args.only:
        bench_ingest(place, args, 30, 360, 480)
    if "large" in args.only:
        bench_ingest(place, args, 32, 1500, 1800)
    if "monthly" in args.only:
        bench_monthly(place, args, args.days)
    if "pyramid" in args.only:
        bench_pyramid(place, args)
    if "rechunk" in args.only:
        bench_rechunk(place, args, args.days)
    if "append" in args.only:
        bench_append(place, args)
    if "look" in args.only and args.frazil:
        bench_look(place, args)
    if not args.work:
        shutil.rmtree(place)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--worker":
        print(json.dumps({"work": WORKERS[sys.argv[2]](**json.loads(sys.argv[3]))}))
    else:
        main()
