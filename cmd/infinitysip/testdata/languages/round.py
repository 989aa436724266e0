"""The round of calls with Python and nothing but what it comes with: round.py URL [CA].

The fake API holds what --seed demo makes. The round leaves it as it was.
"""

import json
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

SIP = sys.argv[1] + "/config/v2/sip/domains"
TRUST = ssl.create_default_context(cafile=sys.argv[2]) if len(sys.argv) > 2 else None


def call(method, path, form=None, key="siptest-api-key"):
    """Returns the status and the rows of an answer, or the text of an error."""
    request = urllib.request.Request(SIP + path, method=method)
    request.add_header("Authorization", "ApiKey " + key)
    if form is not None:
        request.data = urllib.parse.urlencode(form).encode()
    try:
        with urllib.request.urlopen(request, context=TRUST, timeout=10) as answer:
            return answer.status, [json.loads(line) for line in answer if line.strip()]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def want(got, wanted, what):
    if got != wanted:
        sys.exit(f"Python: {what}: got {got!r}, want {wanted!r}")


status, rows = call("GET", "/1/users")
want((status, len(rows)), (200, 5), "the list")

form = {"user": "pia.python", "password": "not-a-secret", "displayName": "Pia", "extensionNumber": "291"}
status, rows = call("POST", "/1/users", form)
want(status, 201, "the create")
user = "/1/users/" + rows[0]["userId"]

status, rows = call("GET", user)
want((status, rows[0]["user"], rows[0]["extensionNumber"]), (200, "pia.python", "291"), "the read")

want(call("POST", user, {"displayName": "Pía & Co."}), (204, []), "the update")
want(call("GET", user)[1][0]["displayName"], "Pía & Co.", "the new name")
want(call("POST", "/1/users", form)[0], 409, "the name that is in use")

groups = [("groupSpec[]", "1"), ("groupSpec[]", "2")]
want(call("POST", user + "/groups", groups)[0], 204, "the groups")
want([row["groupName"] for row in call("GET", user + "/groups")[1]], ["sales", "support"], "the groups of the user")

want(call("DELETE", user), (204, []), "the delete")
want(call("GET", user)[0], 404, "the read of what is deleted")
want(call("GET", "/1/users", key="wrong")[0], 401, "the wrong key")

ids, offset = [], 0
while True:
    query = urllib.parse.urlencode([("limit", 2), ("offset", offset), ("sort[]", "pbxDeviceId-asc")])
    status, rows = call("GET", "/1/devices?" + query)
    want(status, 200, "the page")
    if not rows:
        break
    ids += [row["pbxDeviceId"] for row in rows]
    offset += len(rows)
want(ids, ["1", "2", "3", "4", "5"], "the devices of all pages")
print("Python: all is well")
