//! What a process refuses before it connects to anything: one line, exit code 64.

use std::fs;

use moviebooking_launch::{GATEWAY, SERVICES};

use crate::program::{SECRET, nobodys_address, program, refusal, service};

#[test]
fn a_bad_address_is_named_with_flag_and_variable_by_every_program() {
    for name in SERVICES.into_iter().chain([GATEWAY]) {
        let error = refusal(program(name).env("MOVIEBOOKING_LISTEN", "everywhere"), 64);
        assert!(error.contains("--listen") && error.contains("MOVIEBOOKING_LISTEN"), "{name}: {error}");
    }
}

#[test]
fn every_service_needs_a_database_and_does_not_repeat_a_bad_url() {
    for name in SERVICES {
        let mut command = program(name);
        command.env("MOVIEBOOKING_SERVICE_SECRET", SECRET);
        command.env("MOVIEBOOKING_BANK_DATABASE_URL", "sqlite:bank.db");
        let error = refusal(&mut command, 64);
        assert!(
            error.contains("MOVIEBOOKING_DATABASE_URL") && error.contains("--database-url-file"),
            "{name}: {error}"
        );
        let error = refusal(command.env("MOVIEBOOKING_DATABASE_URL", "mysql://root:hunter2@db/x"), 64);
        assert!(error.contains("--database-url") && !error.contains("hunter2"), "{name}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("uri");
    fs::write(&file, "mysql://root:hunter2@db/x\n").unwrap();
    let mut theaters = service("theaters", folder.path());
    theaters.env("MOVIEBOOKING_DATABASE_URL_FILE", &file);
    assert!(refusal(&mut theaters, 64).contains("either"), "the database is given twice");
    let error = refusal(theaters.env_remove("MOVIEBOOKING_DATABASE_URL"), 64);
    assert!(error.contains("--database-url-file") && !error.contains("hunter2"), "{error}");
    let error = refusal(&mut service("payments", folder.path()), 64);
    assert!(error.contains("--bank-database-url"), "{error}");
}

#[test]
fn the_services_secret_comes_from_one_place_and_is_no_short_one() {
    let folder = tempfile::tempdir().unwrap();
    let theaters = || service("theaters", folder.path());
    let file = folder.path().join("secret");
    fs::write(&file, "hunter2").unwrap();
    let error = refusal(theaters().env_remove("MOVIEBOOKING_SERVICE_SECRET"), 64);
    assert!(
        error.contains("MOVIEBOOKING_SERVICE_SECRET") && error.contains("--service-secret-file"),
        "{error}"
    );
    let error = refusal(theaters().env("MOVIEBOOKING_SERVICE_SECRET", "hunter2"), 64);
    assert!(error.contains("32") && !error.contains("hunter2"), "{error}");
    let error = refusal(theaters().arg("--service-secret-file").arg(&file), 64);
    assert!(error.contains("either"), "{error}");
    let mut from_file = theaters();
    from_file.env_remove("MOVIEBOOKING_SERVICE_SECRET").env("MOVIEBOOKING_SERVICE_SECRET_FILE", &file);
    let error = refusal(&mut from_file, 64);
    assert!(error.contains("secret") && !error.contains("hunter2"), "{error}");
    fs::remove_file(&file).unwrap();
    assert!(refusal(&mut from_file, 78).contains(file.to_str().unwrap()));
}

#[test]
fn where_a_peer_is_must_be_an_url() {
    let folder = tempfile::tempdir().unwrap();
    for (name, flag) in [
        ("movies", "--reservations-url"),
        ("theaters", "--users-url"),
        ("reservations", "--movies-url"),
        ("tickets", "--theaters-url"),
    ] {
        let error = refusal(service(name, folder.path()).args([flag, "ftp://elsewhere"]), 64);
        assert!(error.contains(flag) && error.contains("MOVIEBOOKING_"), "{name}: {error}");
    }
    let error = refusal(program(GATEWAY).env("MOVIEBOOKING_PAYMENTS_URL", "payments"), 64);
    assert!(error.contains("--payments-url") && error.contains("MOVIEBOOKING_PAYMENTS_URL"), "{error}");
    let error = refusal(program(GATEWAY).env("MOVIEBOOKING_TRUSTED_PROXIES", "10.0.0.0/8,everybody"), 64);
    assert!(error.contains("everybody") && error.contains("--trusted-proxies"), "{error}");
}

#[test]
fn where_events_go_must_be_an_address_and_keeps_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let mut theaters = service("theaters", folder.path());
    theaters.env("MOVIEBOOKING_NATS_URL", "nats://cinema:hunter2@127.0.0.1");
    let error = refusal(&mut theaters, 64);
    assert!(error.contains("MOVIEBOOKING_NATS_URL") && error.contains("--nats-credentials-file"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    theaters.env("MOVIEBOOKING_NATS_URL", "nats://127.0.0.1");
    let error = refusal(theaters.env("MOVIEBOOKING_NATS_CREDENTIALS_FILE", "nowhere/credentials"), 66);
    assert!(error.contains("--nats-credentials-file") && error.contains("nowhere/credentials"), "{error}");
}

#[test]
fn other_machines_are_not_served_without_tls_unless_that_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(service("theaters", folder.path()).env("MOVIEBOOKING_LISTEN", "0.0.0.0:0"), 64);
    assert!(error.contains("--tls-cert") && error.contains("--plaintext"), "{error}");
    assert!(!folder.path().join("test.db").exists(), "nothing was opened");
}

#[test]
fn a_database_that_is_down_is_named_without_its_password() {
    let url = format!("postgres://cinema:hunter2@{}/theaters", nobodys_address());
    let mut theaters = program("theaters");
    theaters.env("MOVIEBOOKING_SERVICE_SECRET", SECRET).env("MOVIEBOOKING_DATABASE_URL", &url);
    let error = refusal(&mut theaters, 69);
    assert!(error.contains("cinema") && error.contains("--database-url"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_payment_provider_needs_its_secrets_and_does_not_repeat_them() {
    let folder = tempfile::tempdir().unwrap();
    let payments = |settings: &[(&str, &str)]| {
        let mut command = service("payments", folder.path());
        command.env_remove("MOVIEBOOKING_BANK_DATABASE_URL");
        let settings = settings.iter().map(|(name, value)| (format!("MOVIEBOOKING_{name}"), *value));
        refusal(command.envs(settings), 64)
    };
    let stripe = ("PAYMENT_PROVIDER", "stripe");
    let good = ("STRIPE_KEY", "sk_test_1");
    let bank = ("SANDBOX_URL", "http://127.0.0.1:9");
    for (settings, named) in [
        (vec![stripe], ["MOVIEBOOKING_STRIPE_KEY", "--stripe-key-file"]),
        (vec![stripe, ("STRIPE_KEY", "hunter2")], ["MOVIEBOOKING_STRIPE_KEY", "sk_"]),
        (vec![stripe, good, ("STRIPE_WEBHOOK_SECRET", "hunter2")], ["STRIPE_WEBHOOK_SECRET", "whsec_"]),
        (
            vec![stripe, good, ("BANK_DATABASE_URL", "sqlite:bank.db")],
            ["--bank-database-url", "leave it out"],
        ),
        (vec![("PAYMENT_PROVIDER", "paypal")], ["--payment-provider", "stripe"]),
        (vec![], ["--sandbox-url", "--bank-database-url"]),
        (vec![bank], ["MOVIEBOOKING_SANDBOX_SECRET", "--sandbox-secret-file"]),
        (vec![bank, ("SANDBOX_SECRET", "hunter2")], ["MOVIEBOOKING_SANDBOX_SECRET", "at least 16"]),
        (vec![("SANDBOX_URL", "nowhere"), ("SANDBOX_SECRET", "hunter2")], ["--sandbox-url", "http://"]),
    ] {
        let error = payments(&settings);
        assert!(named.iter().all(|name| error.contains(name)) && !error.contains("hunter2"), "{error}");
    }
}
