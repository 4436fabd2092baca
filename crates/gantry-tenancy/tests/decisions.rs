//! What holds for every actor, action and resource.

use std::collections::BTreeSet;

use gantry_core::Timestamp;
use gantry_tenancy::{
    Action, Actor, ActorKind, Grant, Need, OrgScope, Resource, Role, Standing, Visible, covers,
    decide, standing, visible,
};
use proptest::prelude::*;

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(Role::ALL)
}

fn action() -> impl Strategy<Value = Action> {
    prop::sample::select(Action::ALL)
}

fn grant(org: &'static [&'static str]) -> impl Strategy<Value = Grant> {
    let repos = prop::option::of(prop::collection::btree_set("[a-c]", 0..3));
    (prop::sample::select(org), role(), repos).prop_map(|(org, role, names)| {
        let repos: Option<BTreeSet<String>> =
            names.map(|n| n.iter().map(|n| format!("{org}/{n}")).collect());
        Grant { org: OrgScope::One(org.to_owned()), role, repos }
    })
}

fn actor(orgs: &'static [&'static str]) -> impl Strategy<Value = Actor> {
    let kinds = prop::sample::select(vec![ActorKind::Token, ActorKind::User]);
    (kinds, prop::collection::vec(grant(orgs), 0..4)).prop_map(|(kind, grants)| Actor {
        name: "a".to_owned(),
        kind,
        grants,
    })
}

fn with(role: Role) -> Actor {
    let grant = Grant { org: OrgScope::One("one".to_owned()), role, repos: None };
    Actor { name: "a".to_owned(), kind: ActorKind::Token, grants: vec![grant] }
}

proptest! {
    #[test]
    fn nothing_crosses_orgs(actor in actor(&["one", "two"]), action in action(), repo in "[a-c]") {
        prop_assume!(matches!(action.need(), Need::Role(_)));
        let name = format!("other/{repo}");
        for resource in [Resource::repo(&name, None), Resource::Org("other"), Resource::Hub] {
            prop_assert!(!decide(&actor, action, &resource).allowed);
        }
    }

    #[test]
    fn a_higher_role_may_all_that_a_lower_one_may(action in action(), low in role(), high in role()) {
        prop_assume!(low <= high);
        let resource = Resource::repo("one/a", None);
        let allowed = |r| decide(&with(r), action, &resource).allowed;
        prop_assert!(!allowed(low) || allowed(high));
    }

    #[test]
    fn a_list_shows_what_may_be_read_alone(actor in actor(&["one", "two"]), repo in "[a-c]", org in prop::sample::select(vec!["one", "two", "other"])) {
        let name = format!("{org}/{repo}");
        let shown = match visible(&actor, Action::RunRead) {
            Visible::Everything => true,
            Visible::Orgs(orgs) => orgs.iter().any(|o| o == org),
            Visible::Repos(repos) => repos.contains(&name),
        };
        let may = decide(&actor, Action::RunRead, &Resource::repo(&name, None)).allowed;
        prop_assert!(!shown || may, "{name} is shown and may not be read");
    }

    #[test]
    fn what_is_given_is_never_more_than_one_has(actor in actor(&["one", "two"]), grant in grant(&["one", "two", "other"]), action in action(), repo in "[a-c]") {
        let is_covered = covers(&actor, &grant);
        let given = Actor { name: "b".to_owned(), kind: ActorKind::Token, grants: vec![grant] };
        for org in ["one", "two", "other"] {
            let name = format!("{org}/{repo}");
            let resource = Resource::repo(&name, None);
            let is_by_role = matches!(action.need(), Need::Role(_));
            if is_covered && is_by_role && decide(&given, action, &resource).allowed {
                prop_assert!(decide(&actor, action, &resource).allowed);
            }
        }
    }

    #[test]
    fn a_run_and_a_runner_write_nothing(action in action()) {
        let run = Actor { name: "r".to_owned(), kind: ActorKind::Run { repository: "one/a".to_owned() }, grants: vec![] };
        let runner = Actor { name: "r".to_owned(), kind: ActorKind::Runner, grants: vec![] };
        let own = Resource::repo("one/a", None);
        if matches!(action.need(), Need::Role(_)) {
            prop_assert_eq!(decide(&run, action, &own).allowed, action.is_of_run());
            prop_assert!(!decide(&run, action, &Resource::repo("one/b", None)).allowed);
            prop_assert!(!decide(&runner, action, &own).allowed);
        }
    }
}

#[test]
fn a_grant_on_every_org_reaches_the_hub_itself() {
    let owner = Actor::bootstrap("owner");
    for action in Action::ALL.iter().filter(|a| matches!(a.need(), Need::Role(_))) {
        assert!(decide(&owner, *action, &Resource::Hub).allowed, "{action:?}");
        assert!(!decide(&with(Role::Admin), *action, &Resource::Hub).allowed, "{action:?}");
        assert!(!decide(&Actor::nobody(), *action, &Resource::List).allowed, "{action:?}");
    }
}

#[test]
fn a_credential_ends_with_its_time_or_when_it_is_taken_back() {
    let (past, now, later) = (Timestamp(1), Timestamp(2), Timestamp(3));
    assert_eq!(standing(None, None, now), Standing::Live);
    assert_eq!(standing(Some(later), None, now), Standing::Live);
    assert_eq!(standing(Some(now), None, now), Standing::Expired);
    assert_eq!(standing(Some(later), Some(past), now), Standing::Revoked);
}
