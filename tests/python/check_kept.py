"""Reads every chunk of every commit that a repository keeps.

check_kept.py REPOSITORY   prints {"commits": n, "updates": n, "unreadable": [...]} as JSON.
"""

import json
import sys

import icechunk
import zarr


def arrays(group):
    for _, member in group.members(max_depth=None):
        if isinstance(member, zarr.Array):
            yield member


def main(path):
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(path))
    commits = list(repository.ancestry(branch="main"))
    unreadable = []
    # The last of them is the one that holds nothing.
    for commit in commits[:-1]:
        session = repository.readonly_session(snapshot_id=commit.id)
        for array in arrays(zarr.open_group(session.store, mode="r")):
            try:
                array[...]
            except Exception as error:  # noqa: BLE001
                unreadable.append(f"{commit.id} {array.path}: {error}")
    updates = sum(1 for _ in repository.ops_log())
    json.dump({"commits": len(commits), "updates": updates, "unreadable": unreadable}, sys.stdout)


main(*sys.argv[1:])
