"""Lists the branches of a repository and the commits of each, newest first.

branches.py REPOSITORY   prints {"main": [{"id": …, "version": …}, …], …} as JSON.
"""

import json
import sys

import icechunk


def main(path):
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(path))
    commits = {
        branch: [
            {"id": commit.id, "version": commit.metadata.get("version"), "definition": commit.metadata.get("definition")}
            for commit in repository.ancestry(branch=branch)
        ]
        for branch in sorted(repository.list_branches())
    }
    json.dump(commits, sys.stdout)


main(*sys.argv[1:])
