"""Draws one period of a cube.

python plot.py REPOSITORY VARIABLE PICTURE [PERIOD]   PERIOD as 2024-02; the newest where none is named
"""

import sys

import icechunk
import matplotlib
import xarray

matplotlib.use("Agg")
from matplotlib import pyplot


def main(path, name, picture, period=None):
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(path))
    cube = xarray.open_zarr(repository.readonly_session("main").store, consolidated=False)
    values = cube[name]
    title = cube.attrs.get("title", name)
    if "time" in values.dims:
        # A coarse text such as 2024-02 means the first period that begins in it.
        values = values.sel(time=period).isel(time=0) if period else values.isel(time=-1)
        title = f"{title}, {str(values.time.values)[:10]}"
    for dim in values.dims[:-2]:
        values = values.isel({dim: 0})
    y, x = values.dims
    figure, axes = pyplot.subplots(figsize=(8, 6), dpi=100)
    mesh = axes.pcolormesh(cube[x], cube[y], values, shading="nearest", cmap="Blues")
    axes.set(title=title, xlabel=cube[x].attrs["units"], ylabel=cube[y].attrs["units"])
    axes.set_aspect("equal")
    figure.colorbar(mesh, label=values.attrs.get("units", ""))
    figure.savefig(picture)
    print(f"{picture}: {title}")


if __name__ == "__main__":
    main(*sys.argv[1:])
