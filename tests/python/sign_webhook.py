"""Signs a message as the Standard Webhooks specification says."""

import base64
import hashlib
import hmac
import json
import sys

secret, message, timestamp, body = sys.argv[1:]
key = base64.b64decode(secret.removeprefix("whsec_"))
made = hmac.new(key, f"{message}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
print(json.dumps({"signature": "v1," + base64.b64encode(made).decode()}))
