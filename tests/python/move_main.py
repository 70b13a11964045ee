"""Commits to `main` of a repository as somebody else would: another attribute.

move_main.py REPOSITORY   prints the commit as JSON.
"""

import json
import sys

import icechunk
import zarr


def main(path):
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(path))
    session = repository.writable_session("main")
    zarr.open_group(session.store).attrs["comment"] = "moved"
    json.dump({"commit": session.commit("somebody else")}, sys.stdout)


main(*sys.argv[1:])
