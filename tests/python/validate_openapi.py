"""Says what is wrong with an OpenAPI 3.0 document."""

import json
import sys

from openapi_spec_validator import OpenAPIV30SpecValidator

with open(sys.argv[1], encoding="utf-8") as file:
    document = json.load(file)
print(json.dumps([error.message for error in OpenAPIV30SpecValidator(document).iter_errors()]))
