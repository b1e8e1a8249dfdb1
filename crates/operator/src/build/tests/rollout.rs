//! The order of things.

use k8s_openapi::api::apps::v1::DeploymentCondition;

use super::*;
use crate::object::Key;

fn turns(plan: &Plan) -> BTreeMap<&'static str, Turn> {
    plan.progress.iter().map(|(name, progress)| (*name, progress.turn.clone())).collect()
}

fn applied(plan: &Plan) -> Vec<String> {
    all::<Deployment>(plan).into_keys().collect()
}

#[test]
fn components_follow_one_another_once_their_databases_are_migrated() {
    let platform = platform(json!({ "version": "0.1.0" }));
    let mut observed = databases_ready();
    let first = plan(&platform, &observed).unwrap();
    // All migrations at once, and the gateway, which has none, after everybody.
    assert_eq!(turns(&first)["users"], Turn::Migrating);
    assert_eq!(turns(&first)["gateway"], Turn::After("users"));
    assert_eq!(all::<k8s_openapi::api::batch::v1::Job>(&first).len(), 6);
    let mut order = Vec::new();
    for _ in 0..10 {
        let plan = plan(&platform, &observed).unwrap();
        let new: Vec<String> =
            applied(&plan).into_iter().filter(|name| !observed.deployments.contains_key(name)).collect();
        assert!(new.len() <= 1, "{new:?}");
        order.extend(new);
        observed = carried_out(&observed, &plan);
    }
    let expected = COMPONENTS.map(|component| format!("cinema-{}", component.name));
    assert_eq!(order, expected);
}

#[test]
fn a_database_that_is_not_there_holds_up_what_comes_after_it() {
    let mut observed = databases_ready();
    observed.claims.insert(
        "bank",
        Claimed { secret: None, port: None, message: "the Secret bank has no key uri".to_owned() },
    );
    let platform = platform(json!({ "version": "0.1.0" }));
    for _ in 0..10 {
        let plan = plan(&platform, &observed).unwrap();
        observed = carried_out(&observed, &plan);
    }
    let plan = plan(&platform, &observed).unwrap();
    let turns = turns(&plan);
    assert_eq!(turns["payments"], Turn::Database("database bank: the Secret bank has no key uri".to_owned()));
    assert_eq!((&turns["tickets"], &turns["gateway"]), (&Turn::Done, &Turn::After("payments")));
    assert!(plan.kept.contains(&Key::of::<Deployment>("cinema-payments")));
}

#[test]
fn a_new_version_stops_at_a_migration_that_fails_and_the_old_one_goes_on() {
    let (mut observed, _) = converged(&platform(json!({ "version": "0.1.0" })), databases_ready());
    let observed_before: Vec<String> = observed.migrations.keys().cloned().collect();
    let newer = platform(json!({ "version": "0.2.0", "services": { "movies": { "replicas": 4 } } }));
    let migrated = |plan: &Plan| -> Vec<String> {
        let jobs = all::<k8s_openapi::api::batch::v1::Job>(plan).into_keys();
        jobs.filter(|name| !observed_before.contains(name)).collect()
    };
    // Each in its turn: users, and when that is rolled out theaters.
    let mut stopped = Plan::default();
    for _ in 0..6 {
        stopped = plan(&newer, &observed).unwrap();
        observed = carried_out(&observed, &stopped);
        let failed = Migration::Failed("no table halls".to_owned());
        let of_theaters = |(name, _): &(&String, &mut Migration)| {
            name.starts_with("cinema-theaters-") && !observed_before.contains(*name)
        };
        observed.migrations.iter_mut().filter(of_theaters).for_each(|(_, state)| *state = failed.clone());
    }
    let first = stopped;
    let jobs = migrated(&first);
    assert!(
        jobs.len() == 2 && jobs.iter().all(|name| name.contains("users") || name.contains("theaters")),
        "{jobs:?}"
    );
    let theaters = &turns(&first)["theaters"];
    let Turn::MigrationFailed { job, why } = theaters else { panic!("{theaters:?}") };
    assert!(jobs.contains(job) && why == "no table halls", "{theaters:?}");
    assert_eq!(applied(&first), ["cinema-users"]);
    // Everything of the old version is left alone, and nothing is an orphan.
    let left_alone = ["theaters", "movies", "reservations", "tickets", "payments", "gateway"];
    for name in left_alone {
        assert!(first.kept.contains(&Key::of::<Deployment>(&format!("cinema-{name}"))));
    }
    // What had the new version goes back, and nothing is left to do.
    let (_, reverted) = converged(&platform(json!({ "version": "0.1.0" })), observed);
    assert!(reverted.progress.iter().all(|(_, progress)| progress.turn == Turn::Done));
}

#[test]
fn a_roll_out_that_does_not_become_ready_stops_the_others() {
    let (observed, _) = converged(&platform(json!({ "version": "0.1.0" })), databases_ready());
    let newer = platform(json!({ "version": "0.2.0" }));
    let mut observed = carried_out(&observed, &plan(&newer, &observed).unwrap());
    observed = carried_out(&observed, &plan(&newer, &observed).unwrap());
    let users = observed.deployments.get_mut("cinema-users").unwrap();
    let status = users.status.as_mut().unwrap();
    status.available_replicas = Some(1);
    assert_eq!(turns(&plan(&newer, &observed).unwrap())["users"], Turn::RollingOut);
    let users = observed.deployments.get_mut("cinema-users").unwrap();
    users.status.as_mut().unwrap().conditions = Some(vec![DeploymentCondition {
        type_: "Progressing".to_owned(),
        status: "False".to_owned(),
        reason: Some("ProgressDeadlineExceeded".to_owned()),
        message: Some("timed out".to_owned()),
        ..DeploymentCondition::default()
    }]);
    let stuck = plan(&newer, &observed).unwrap();
    assert_eq!(turns(&stuck)["users"], Turn::RolloutFailed("timed out".to_owned()));
    assert_eq!(turns(&stuck)["theaters"], Turn::After("users"));
}

#[test]
fn replicas_change_at_once_and_an_autoscaler_is_not_told_how_many() {
    let (observed, _) = converged(&platform(json!({ "version": "0.1.0" })), databases_ready());
    let scaled = platform(json!({ "version": "0.1.0", "replicas": 5, "services": {
        "users": { "autoscaling": { "maxReplicas": 3 } },
    } }));
    let plan = plan(&scaled, &observed).unwrap();
    let replicas = |name: &str| all::<Deployment>(&plan)[name].spec.as_ref().unwrap().replicas;
    assert_eq!(replicas("cinema-gateway"), Some(5));
    assert_eq!(replicas("cinema-users"), None);
}
