"""Finds the datasets of a STAC catalog and opens each at the snapshot that the catalog names.

python discover.py CATALOG   a path of catalog.json, or a URL
"""

import sys

import icechunk
import pystac
import xarray


def storage_of(href):
    """Where a repository is: in a folder, or behind a web server."""
    if href.startswith(("http://", "https://")):
        return icechunk.http_storage(href)
    return icechunk.local_filesystem_storage(href)


def opened(collection):
    """The dataset of a collection, exactly as the catalog describes it."""
    asset = collection.assets["icechunk"]
    repository = icechunk.Repository.open(storage_of(asset.get_absolute_href()))
    session = repository.readonly_session(snapshot_id=asset.extra_fields["icechunk:snapshot_id"])
    options = dict(collection.assets["zarr"].extra_fields["xarray:open_kwargs"])
    options.pop("engine", None)
    return xarray.open_zarr(session.store, **options)


def main(catalog):
    for collection in pystac.Catalog.from_file(catalog).get_children():
        cube = opened(collection)
        print(f"{collection.id}: {collection.title}")
        if "time" in cube.sizes:
            first, last = (str(cube.time.values[at])[:10] for at in (0, -1))
            print(f"  {cube.sizes['time']} periods, {first} to {last}")
        for name, variable in cube.data_vars.items():
            lengths = ", ".join(f"{dim} {length}" for dim, length in variable.sizes.items())
            print(f"  {name} ({lengths}), {variable.dtype}, {variable.attrs.get('units', '1')}")


if __name__ == "__main__":
    main(*sys.argv[1:])
