"""Judges STAC documents without a network.

    validate_stac.py SCHEMAS CATALOG

CATALOG is a folder with a catalog.json. It and every collection that it lists are judged by the
core schemas that come with pystac and by the schemas of extensions in the folder SCHEMAS; pystac
then reads the whole as a client would. Prints one JSON object; exits 1 when anything is wrong.
"""

import json
import pathlib
import sys

import jsonschema
import pyproj.datadir
import pystac
import pystac.validation
import referencing
from referencing.jsonschema import DRAFT7

CORE = "https://schemas.stacspec.org/v1.1.0/"


def known_schemas(folder):
    shipped = pathlib.Path(pystac.validation.__file__).parent / "jsonschemas"
    found = {}
    # PROJ brings the schema of PROJJSON, to which reference systems refer.
    projjson = pathlib.Path(pyproj.datadir.get_data_dir()).glob("projjson*.json")
    for path in [*shipped.rglob("*.json"), *pathlib.Path(folder).glob("*.json"), *projjson]:
        schema = json.loads(path.read_text())
        if "$id" in schema:
            found[schema["$id"].rstrip("#")] = schema
        by_name = {"geojson": "https://geojson.org/schema/", "v1.1.0": CORE}
        for part, base in by_name.items():
            if part in path.parts:
                found.setdefault(base + path.name, schema)
    return found


def main(schemas, catalog):
    known = known_schemas(schemas)

    def retrieve(uri):
        uri = uri.rstrip("#")
        # References between core schemas carry folders that pystac's copies do not have.
        for name in (uri, CORE + uri.rsplit("/", 1)[-1]):
            if name in known:
                return referencing.Resource.from_contents(known[name], default_specification=DRAFT7)
        raise referencing.exceptions.NoSuchResource(uri)

    registry = referencing.Registry(retrieve=retrieve)
    problems = []

    def judge(path):
        document = json.loads(path.read_text())
        kind = document["type"].lower()
        wanted = [f"{CORE}{kind}-spec/json-schema/{kind}.json", *document.get("stac_extensions", [])]
        for uri in wanted:
            try:
                schema = retrieve(uri).contents
            except referencing.exceptions.NoSuchResource:
                problems.append(f"{path.name}: no schema {uri}")
                continue
            for error in jsonschema.Draft7Validator(schema, registry=registry).iter_errors(document):
                problems.append(f"{document['id']}: {uri}: {list(error.absolute_path)}: {error.message[:300]}")
        return document

    root = pathlib.Path(catalog) / "catalog.json"
    children = [link for link in judge(root)["links"] if link["rel"] == "child"]
    for link in children:
        collection = (root.parent / link["href"]).resolve()
        document = judge(collection)
        for name, asset in document["assets"].items():
            if "://" not in asset["href"] and not (collection.parent / asset["href"]).exists():
                problems.append(f"{document['id']}: asset {name} leads nowhere: {asset['href']}")
    read = pystac.Catalog.from_file(str(root))
    ids = sorted(child.id for child in read.get_children())
    print(json.dumps({"collections": ids, "problems": problems}))
    return 1 if problems or len(ids) != len(children) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
