"""Finds a dataset in the catalog of `frazil serve` and reads its newest period over HTTP.

    over_http.py http://127.0.0.1:8080 DATASET [VARIABLE]
"""

import sys

import pystac
import xarray

url, name = sys.argv[1], sys.argv[2]
collection = pystac.Collection.from_file(f"{url}/stac/collections/{name}")
asset = collection.assets["zarr"]
# The address is that of one snapshot: what is committed meanwhile changes nothing here.
dataset = xarray.open_dataset(asset.href, chunks={}, **asset.extra_fields["xarray:open_kwargs"])
variable = sys.argv[3] if len(sys.argv) > 3 else next(iter(dataset.data_vars))
newest = dataset[variable].isel(time=-1) if "time" in dataset.sizes else dataset[variable]
print(f"{collection.title}, from {asset.href}")
print(f"{variable} {tuple(dataset[variable].sizes.items())}: mean {float(newest.mean()):.3f} {dataset[variable].attrs.get('units', '')}")
