"""Chunks, shards and codecs of a variable of a cube: layout_of.py REPOSITORY VARIABLE"""

import json
import sys

import icechunk
import zarr

repository = icechunk.Repository.open(icechunk.local_filesystem_storage(sys.argv[1]))
array = zarr.open_group(repository.readonly_session("main").store, mode="r")[sys.argv[2]]
levels = [codec.to_dict()["configuration"].get("level") for codec in array.compressors]
print(json.dumps({"chunks": array.chunks, "shards": array.shards, "levels": levels}))
