"""Makes an Icechunk repository of which one chunk is virtual: it lies in a file beside it.

    make_virtual.py FOLDER

Writes FOLDER/numbers.bin and FOLDER/theirs with the arrays `plain` (its chunk in the repository) and `far`.
"""

import json
import sys

import icechunk
import numpy
import zarr


def main(folder):
    numbers = numpy.arange(4, dtype="<f4")
    with open(f"{folder}/numbers.bin", "wb") as file:
        file.write(b"not for you" + numbers.tobytes())
    config = icechunk.RepositoryConfig.default()
    config.inline_chunk_threshold_bytes = 0
    there = icechunk.local_filesystem_store(folder)
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(f"file://{folder}/", there))
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(f"{folder}/theirs"), config)
    session = repository.writable_session("main")
    root = zarr.open_group(session.store, mode="w")
    for name in ("plain", "far"):
        array = root.create_array(name, shape=(4,), chunks=(4,), dtype="<f4", compressors=None)
        if name == "plain":
            array[:] = numbers
    session.store.set_virtual_ref("far/c/0", f"file://{folder}/numbers.bin", offset=11, length=16)
    json.dump({"snapshot": session.commit("one virtual chunk")}, sys.stdout)


main(*sys.argv[1:])
