"""What the fuzzer does around each call: signs deliveries, and counts the answers of every operation."""

import atexit
import collections
import hashlib
import hmac
import itertools
import json
import os
import re
import threading

import schemathesis

COUNTS = collections.defaultdict(collections.Counter)
LOCK = threading.Lock()
NUMBER = itertools.count()


@schemathesis.serializer("application/zstd", "application/x-ndjson")
def as_it_is(context, value):
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Every write has a key of its own: what the same key does is told by tests/api/limits.rs."""
    if (case.headers or {}).get("Idempotency-Key") and case.meta and case.meta.generation.mode.is_positive:
        case.headers["Idempotency-Key"] = f"key-{next(NUMBER)}"


@schemathesis.auth().apply_to(path_regex="^/api/v1/hooks/")
class Signature:
    """A forge signs the bytes that it sends; only then does what they say come to be read."""

    def get(self, case, context):
        return os.environ["FUZZ_HOOK_SECRET"].encode()

    def set(self, case, data, context):
        sent = case.as_transport_kwargs()
        body = json.dumps(sent["json"]) if "json" in sent else sent.get("data") or b""
        body = body if isinstance(body, bytes) else str(body).encode()
        case.headers["X-Gitea-Event"] = "push"
        case.headers["X-Gitea-Delivery"] = f"delivery-{next(NUMBER)}"
        case.headers["X-Gitea-Signature"] = hmac.new(data, body, hashlib.sha256).hexdigest()


@schemathesis.hook
def after_call(context, case, response):
    with LOCK:
        COUNTS[case.operation.label][response.status_code] += 1


# What a schema cannot say, by operation (all: None) and the title of the refusal.
BEYOND_SCHEMAS = [
    (None, r"^`cursor` is not one that a list has answered$", "a cursor is opaque, and made by the hub alone"),
    (None, r"invalid type: floating point `\d+\.0`", "whole numbers are written without a fraction"),
    (None, r"^`job` in the path: ", "links guess that `job` of a job is its id; it is its key in the file"),
    (None, r"cannot be used", "references, URLs and names of forges have rules of their own"),
    ("createToken", r"^a token for runners has no|^`pool` is for tokens|^`repos` are at most|^`bootstrap` tokens|^`\w+` is a text", "the kind decides which fields go together"),
    ("changeRepo", r"^an enabled repository has no", "two fields that exclude each other"),
    ("createRepo", r"^there is no forge connection", "a name of the hub file"),
    ("rerunRun", r"has no job|names no job", "keys of jobs of the very run"),
    ("getRunWhy", r"has no job", "a key of a job of the very run"),
    ("completeLease", r"ended as .* without a fault|^a step ended as", "outcome and fault go together"),
    ("reportLease", r"^a step ended as|has at most .* steps", "outcome and fault go together"),
    ("uploadLeaseArtifact", r"^the artifact name|is no name for an artifact", "characters that no file system takes"),
    ("lookUpCache", r"^a cache key has", "a cache key has no comma and counts bytes"),
    ("saveCache", r"^a cache key has", "a cache key has no comma and counts bytes"),
    ("deliverHook", r".", "payloads are as each forge has them: anything may be sent, and little means something"),
]
# A well-formed id is as a rule nobody's, and a well-formed write may not fit how things stand.
FITS = {304, 401, 403, 404, 409, 413, 422, 429}


@schemathesis.check
def accepts_what_the_schema_allows(ctx, response, case):
    """As `positive_data_acceptance`; what is refused for a rule beyond schemas is named above."""
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or response.status_code < 300 or response.status_code in FITS:
        return
    if getattr(meta.phase.data, "scenario", None) is not None and str(meta.phase.data.scenario).endswith("HTTP_METHOD"):
        return
    title = response.json().get("title", "") if response.status_code == 400 else ""
    name = case.operation.definition.raw.get("operationId")
    if response.status_code == 400 and any(o in (None, name) and re.search(p, title) for o, p, _ in BEYOND_SCHEMAS):
        return
    raise AssertionError(f"valid data was refused with {response.status_code}: {title}")


@atexit.register
def write():
    with open(os.environ["FUZZ_COUNTS"], "w") as out:
        json.dump(COUNTS, out)
