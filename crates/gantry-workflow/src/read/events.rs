//! Events that may start a workflow, with the filters and activity types that each knows.

/// One event of `on:`.
pub(crate) struct EventKind {
    /// Its name.
    pub name: &'static str,
    /// Filter keys besides `types`.
    pub filters: &'static [&'static str],
    /// Activity types; `*` means any; empty means that there is no `types`.
    pub types: &'static [&'static str],
}

const fn event(
    name: &'static str,
    filters: &'static [&'static str],
    types: &'static [&'static str],
) -> EventKind {
    EventKind { name, filters, types }
}

/// Every event.
pub(crate) const EVENTS: &[EventKind] = &[
    event("branch_protection_rule", &[], &["created", "edited", "deleted"]),
    event("check_run", &[], &["completed", "created", "rerequested", "requested_action"]),
    event("check_suite", &[], &["completed"]),
    event("create", &[], &[]),
    event("delete", &[], &[]),
    event("deployment", &[], &[]),
    event("deployment_status", &[], &[]),
    event(
        "discussion",
        &[],
        &[
            "created",
            "edited",
            "deleted",
            "transferred",
            "pinned",
            "unpinned",
            "labeled",
            "unlabeled",
            "locked",
            "unlocked",
            "category_changed",
            "answered",
            "unanswered",
        ],
    ),
    event("discussion_comment", &[], &["created", "edited", "deleted"]),
    event("fork", &[], &[]),
    event("gollum", &[], &[]),
    event("image_version", &["names", "versions"], &["created", "ready", "deleted"]),
    event("issue_comment", &[], &["created", "edited", "deleted"]),
    event(
        "issues",
        &[],
        &[
            "opened",
            "edited",
            "deleted",
            "transferred",
            "pinned",
            "unpinned",
            "closed",
            "reopened",
            "assigned",
            "unassigned",
            "labeled",
            "unlabeled",
            "locked",
            "unlocked",
            "milestoned",
            "demilestoned",
            "field_added",
            "field_removed",
            "typed",
            "untyped",
        ],
    ),
    event("label", &[], &["created", "edited", "deleted"]),
    event("merge_group", &["branches", "branches-ignore"], &["checks_requested"]),
    event("milestone", &[], &["created", "closed", "opened", "edited", "deleted"]),
    event("page_build", &[], &[]),
    event("project", &[], &["created", "closed", "reopened", "edited", "deleted"]),
    event("project_card", &[], &["created", "moved", "converted", "edited", "deleted"]),
    event("project_column", &[], &["created", "updated", "moved", "deleted"]),
    event("public", &[], &[]),
    event(
        "pull_request",
        &["branches", "branches-ignore", "paths", "paths-ignore"],
        &[
            "assigned",
            "unassigned",
            "labeled",
            "unlabeled",
            "opened",
            "edited",
            "closed",
            "reopened",
            "synchronize",
            "converted_to_draft",
            "locked",
            "unlocked",
            "enqueued",
            "dequeued",
            "milestoned",
            "demilestoned",
            "ready_for_review",
            "review_requested",
            "review_request_removed",
            "auto_merge_enabled",
            "auto_merge_disabled",
            "stacked",
        ],
    ),
    event("pull_request_comment", &[], &["created", "edited", "deleted"]),
    event("pull_request_review", &[], &["submitted", "edited", "dismissed"]),
    event("pull_request_review_comment", &[], &["created", "edited", "deleted"]),
    event(
        "pull_request_target",
        &["branches", "branches-ignore", "paths", "paths-ignore"],
        &[
            "assigned",
            "unassigned",
            "labeled",
            "unlabeled",
            "opened",
            "edited",
            "closed",
            "reopened",
            "synchronize",
            "converted_to_draft",
            "locked",
            "unlocked",
            "enqueued",
            "dequeued",
            "milestoned",
            "demilestoned",
            "ready_for_review",
            "review_requested",
            "review_request_removed",
            "auto_merge_enabled",
            "auto_merge_disabled",
            "stacked",
        ],
    ),
    event(
        "push",
        &["branches", "branches-ignore", "tags", "tags-ignore", "paths", "paths-ignore"],
        &[],
    ),
    event("registry_package", &[], &["published", "updated"]),
    event(
        "release",
        &[],
        &["published", "unpublished", "created", "edited", "deleted", "prereleased", "released"],
    ),
    event("repository_dispatch", &[], &["*"]),
    event("schedule", &[], &[]),
    event("status", &[], &[]),
    event("watch", &[], &["started"]),
    event("workflow_call", &[], &[]),
    event("workflow_dispatch", &[], &[]),
    event(
        "workflow_run",
        &["workflows", "branches", "branches-ignore"],
        &["requested", "completed", "in_progress"],
    ),
];

/// The names of all events.
pub fn event_names() -> impl Iterator<Item = &'static str> {
    EVENTS.iter().map(|event| event.name)
}

/// The event of that name.
pub(crate) fn find(name: &str) -> Option<&'static EventKind> {
    EVENTS.iter().find(|e| e.name == name)
}
