"""Compares datasets that are served over HTTP with their repositories, bit for bit.

check_served.py URL CUBES DATASET…

DATASET may be NAME=ENDPOINT: it lies in the bucket `cubes` of that S3 service, not in the folder CUBES.

Each is opened with xarray over fsspec and over obstore at `/zarr/DATASET` and at its snapshot, with zarr-python without
consolidated metadata, and with Icechunk's own reader at `/icechunk/DATASET`; GDAL reads a level of `snow`. Prints what was found and what is wrong.
"""

import json
import sys
import urllib.request
import warnings

import icechunk
import numpy
import obstore.store
import rasterio
import xarray
import zarr

warnings.filterwarnings("ignore")


def arrays(group, path=""):
    """All arrays of a group and of those in it, by path."""
    for name, member in group.members():
        if isinstance(member, zarr.Array):
            yield f"{path}{name}", member
        else:
            yield from arrays(member, f"{path}{name}/")


def same(one, other):
    return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()


def stored(cubes, name, endpoint):
    """The storage of a dataset."""
    if not endpoint:
        return icechunk.local_filesystem_storage(f"{cubes}/{name}")
    key = dict(access_key_id="AKIATEST", secret_access_key="s3cr3t", region="us-east-1")
    return icechunk.s3_storage(bucket="cubes", prefix=f"land/{name}", endpoint_url=endpoint, allow_http=True, force_path_style=True, **key)


def main(url, cubes, *datasets):
    wrong, found = [], {}
    places = dict(dataset.partition("=")[::2] for dataset in datasets)

    def expect(what, holds):
        if not holds:
            wrong.append(what)

    for name, endpoint in places.items():
        repository = icechunk.Repository.open(stored(cubes, name, endpoint))
        head = repository.lookup_branch("main")
        store = repository.readonly_session("main").store
        local = dict(arrays(zarr.open_group(store, mode="r")))
        groups = [key for key, member in zarr.open_group(store, mode="r").members(None) if isinstance(member, zarr.Group)]
        for address in (f"{url}/zarr/{name}", f"{url}/zarr/{name}@{head}"):
            stores = {"fsspec": address, "obstore": zarr.storage.ObjectStore(obstore.store.HTTPStore(address, client_options={"allow_http": True}), read_only=True)}
            for kind, there in stores.items():
                served = dict(arrays(zarr.open_group(there, mode="r", use_consolidated=True)))
                expect(f"{address} by {kind}: arrays", sorted(served) == sorted(local))
                for path, array in served.items():
                    whole = array[...]
                    expect(f"{address} by {kind}: {path}", same(numpy.asarray(whole), numpy.asarray(local[path][...])))
                    expect(f"{address} by {kind}: {path} attributes", dict(array.attrs) == dict(local[path].attrs))
                for group in ["", *groups]:
                    ours = xarray.open_zarr(there, group=group or None, consolidated=True)
                    theirs = xarray.open_zarr(store, group=group or None, consolidated=False)
                    expect(f"{address} by {kind}: xarray {group}", ours.identical(theirs) and len(ours.variables) > 1)
            # Without consolidated metadata the members come from the page of the group.
            listed = zarr.open_group(address, mode="r", use_consolidated=False)
            expect(f"{address}: listed", sorted(dict(arrays(listed))) == sorted(local))
        raw = icechunk.Repository.open(icechunk.http_storage(f"{url}/icechunk/{name}"))
        expect(f"{name}: head by Icechunk", raw.lookup_branch("main") == head)
        there = raw.readonly_session("main").store
        for path, array in arrays(zarr.open_group(there, mode="r")):
            expect(f"{name}: {path} by Icechunk", same(numpy.asarray(array[...]), numpy.asarray(local[path][...])))
        found[name] = {"head": head, "arrays": sorted(local), "groups": sorted(groups)}
    if "dem" in places and "snow" in places:
        parts_and_levels(url, cubes, expect)
    found["wrong"] = wrong
    json.dump(found, sys.stdout)


def parts_and_levels(url, cubes, expect):
    # Parts of a chunk as obstore asks for them.
    store = obstore.store.HTTPStore(f"{url}/zarr", client_options={"allow_http": True})
    whole = urllib.request.urlopen(f"{url}/zarr/dem/dsm/c/0/0").read()
    parts = [bytes(part) for part in obstore.get_ranges(store, "dem/dsm/c/0/0", starts=[0, 40], lengths=[9, 7])]
    expect("ranges by obstore", parts == [whole[:9], whole[40:47]])
    tail = bytes(obstore.get(store, "dem/dsm/c/0/0", options={"range": {"suffix": 12}}).bytes())
    expect("a suffix by obstore", tail == whole[-12:])
    expect("the length by obstore", obstore.head(store, "dem/dsm/c/0/0")["size"] == len(whole))
    with rasterio.open(f'ZARR:"/vsicurl/{url}/zarr/snow":/1/snow:0') as band:
        local = icechunk.Repository.open(icechunk.local_filesystem_storage(f"{cubes}/snow")).readonly_session("main").store
        values = zarr.open_group(local, mode="r")["1/snow"][0]
        expect("a level by GDAL", same(band.read(1), values) and band.crs.to_epsg() == 4326)


main(*sys.argv[1:])
