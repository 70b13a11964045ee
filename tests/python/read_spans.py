"""Reads what is sent to a collector of OpenTelemetry traces, and prints the spans."""

import json
import sys

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def value(of):
    return getattr(of, of.WhichOneof("value"))


request = ExportTraceServiceRequest.FromString(open(sys.argv[1], "rb").read())
spans = []
for resource in request.resource_spans:
    service = {a.key: value(a.value) for a in resource.resource.attributes}["service.name"]
    for scope in resource.scope_spans:
        for span in scope.spans:
            spans.append({
                "service": service,
                "name": span.name,
                "trace": span.trace_id.hex(),
                "span": span.span_id.hex(),
                "parent": span.parent_span_id.hex(),
                "from": span.start_time_unix_nano,
                "to": span.end_time_unix_nano,
                "attributes": {a.key: value(a.value) for a in span.attributes},
            })
print(json.dumps(spans))
