"""Judges a STAC API as a client finds it.

    read_stac_api.py SCHEMAS URL

The catalog at URL/stac and all its collections are judged as `validate_stac.py` judges files; every link and asset of them
is asked for, pystac reads the whole, and xarray opens the Zarr of each collection as its asset says.
"""

import json
import sys
import urllib.request

import jsonschema
import pystac
import referencing
import xarray
from referencing.jsonschema import DRAFT7
from validate_stac import CORE, known_schemas


def main(schemas, url):
    known = known_schemas(schemas)

    def retrieve(uri):
        uri = uri.rstrip("#")
        for name in (uri, CORE + uri.rsplit("/", 1)[-1]):
            if name in known:
                return referencing.Resource.from_contents(known[name], default_specification=DRAFT7)
        raise referencing.exceptions.NoSuchResource(uri)

    registry = referencing.Registry(retrieve=retrieve)
    problems, opened = [], {}

    def ask(address):
        with urllib.request.urlopen(address) as answer:
            return answer.headers["content-type"], answer.read()

    def judge(document):
        kind = document["type"].lower()
        for uri in [f"{CORE}{kind}-spec/json-schema/{kind}.json", *document.get("stac_extensions", [])]:
            schema = retrieve(uri).contents
            for error in jsonschema.Draft7Validator(schema, registry=registry).iter_errors(document):
                problems.append(f"{document['id']}: {uri}: {list(error.absolute_path)}: {error.message[:300]}")

    root = json.loads(ask(f"{url}/stac")[1])
    judge(root)
    for link in root["links"]:
        media, _ = ask(link["href"])
        if media.split(";")[0] != link["type"].split(";")[0]:
            problems.append(f"{link['rel']} is {media}")
    for needed in ("https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/collections"):
        if needed not in root["conformsTo"]:
            problems.append(f"does not conform to {needed}")
    listed = json.loads(ask([l["href"] for l in root["links"] if l["rel"] == "data"][0])[1])
    for collection in listed["collections"]:
        judge(collection)
        own = [l["href"] for l in collection["links"] if l["rel"] == "self"][0]
        if json.loads(ask(own)[1]) != collection:
            problems.append(f"{collection['id']} is another by itself")
        for name in ("zarr", "zarr-current"):
            asset = collection["assets"][name]
            with xarray.open_dataset(asset["href"], chunks=None, **asset["xarray:open_kwargs"]) as dataset:
                opened[collection["id"]] = {str(k): v for k, v in dataset.sizes.items() if k in ("time", "y", "x")}
    read = pystac.Catalog.from_file(f"{url}/stac")
    ids = sorted(child.id for child in read.get_children())
    if ids != [c["id"] for c in listed["collections"]]:
        problems.append(f"pystac finds {ids}")
    print(json.dumps({"collections": ids, "problems": problems, "opened": opened}))


main(*sys.argv[1:])
