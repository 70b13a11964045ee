"""Reads a drawing for Graphviz with pydot and prints what is in it, as JSON.

read_dot.py FILE
"""

import json
import sys

import pydot


def plain(text):
    return text.strip('"')


def main(path):
    (graph,) = pydot.graph_from_dot_file(path)
    clusters = {
        plain(cluster.get_name()): sorted(plain(node.get_name()) for node in cluster.get_nodes())
        for cluster in graph.get_subgraphs()
    }
    nodes = [node for node in graph.get_nodes() if plain(node.get_name()) not in ("node", "\\n")]
    json.dump({
        "clusters": clusters,
        "nodes": {plain(node.get_name()): plain(node.get("label") or "") for node in nodes},
        "edges": sorted(
            [plain(edge.get_source()), plain(edge.get_destination()), plain(edge.get("label") or "")]
            for edge in graph.get_edges()
        ),
    }, sys.stdout)


main(*sys.argv[1:])
