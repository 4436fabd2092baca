//! Paths of the hub's API. Bodies are JSON but for streams.

/// Version of the hub–runner protocol; the hub refuses another major.
pub const PROTOCOL: u32 = 1;

/// `POST`: a delivery of a forge connection, signed with its secret.
pub const HOOKS: &str = "/api/v1/hooks/{connection}";
/// `POST`: register a runner ([`crate::runner::RegisterRequest`]).
pub const RUNNERS: &str = "/api/v1/runners";
/// `POST`: long poll for leases ([`crate::runner::LeaseRequest`]).
pub const LEASES: &str = "/api/v1/runners/{runner}/leases";
/// `POST`: heartbeat and step changes ([`crate::report::ReportRequest`]).
pub const REPORT: &str = "/api/v1/leases/{lease}/report";
/// `PUT ?epoch=&offset=`: log bytes (NDJSON of [`gantry_observe::log::LogLine`]); answers `{"length": n}`.
pub const LOGS: &str = "/api/v1/leases/{lease}/logs";
/// `POST`: the end ([`crate::report::CompleteRequest`]).
pub const COMPLETE: &str = "/api/v1/leases/{lease}/complete";
/// `GET`: a source or artifact blob that the lease may read.
pub const BLOB: &str = "/api/v1/leases/{lease}/blobs/{digest}";
/// `GET`: artifacts of the run and its upstreams; `POST ?epoch=&name=&files=&size=&overwrite=`: upload one (body: tar.zst).
pub const ARTIFACTS: &str = "/api/v1/leases/{lease}/artifacts";
/// `POST …/lookup` ([`crate::artifact::CacheQuery`]) answers a `CacheInfo` or null.
pub const CACHE_LOOKUP: &str = "/api/v1/leases/{lease}/caches/lookup";
/// `POST ?epoch=&key=&version=`: save one (body: tar.zst); a key that exists stays as it is.
pub const CACHES: &str = "/api/v1/leases/{lease}/caches";
