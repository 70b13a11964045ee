"""Finds, describes and runs a process with OWSLib."""

import json
import sys

from owslib.ogcapi.processes import Processes

service = Processes(sys.argv[1])
echo = service.execute("echo", inputs={"message": "ice"}, response="document")
print(json.dumps({
    "conformance": service.conformance()["conformsTo"],
    "processes": [process["id"] for process in service.processes()],
    "described": service.process("echo")["title"],
    "echo": echo,
}))
