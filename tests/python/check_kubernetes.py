"""Judges a Kubernetes manifest by the API's own schemas, strictly: an unknown key is an error."""

import json
import sys

import kubernetes_validate
import yaml

kinds = []
for document in yaml.safe_load_all(open(sys.argv[1])):
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    kinds.append(document["kind"])
print(json.dumps({"kinds": kinds}))
