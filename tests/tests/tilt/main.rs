//! Development on a cluster with Tilt, as a person does it. `cargo xtask test tilt` starts a cluster for it and says by
//! variables where everything is.

#[cfg(test)]
mod session;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use moviebooking_launch::wait_until;
    use moviebooking_tests::{buy, furnish};
    use serde_json::json;

    use crate::session::{Programs, Session};

    /// How long a platform may take to be rolled out.
    const PATIENCE: Duration = Duration::from_secs(600);
    /// How long a program that was built anew may take to answer.
    const ARRIVAL: Duration = Duration::from_secs(60);

    /// What users says of a wrong refresh token, and what the newer program says.
    const BEFORE: &str = "The refresh token is not valid, or no longer: sign in again.";
    const AFTER: &str = "The refresh token is NOT valid, or no longer: sign in again.";

    /// What the platform says of a wrong refresh token, if it answers.
    async fn complaint(client: &reqwest::Client) -> Option<String> {
        let refresh = client.post("http://127.0.0.1:3000/users/refresh");
        let answer = refresh.json(&json!({ "refreshToken": "wrong" })).send().await.ok()?;
        let problem: serde_json::Value = answer.json().await.ok()?;
        problem["detail"].as_str().map(str::to_owned)
    }

    #[test]
    fn a_platform_comes_up_and_a_newer_program_answers_within_seconds_in_the_same_pod() {
        moviebooking_serve::install_crypto_provider();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = reqwest::Client::new();
        let said = || runtime.block_on(complaint(&client));
        let programs = Programs::built();
        let session = Session::new(programs.folder());
        session.ci();
        let deployed = session.generation();

        let up = session.up();
        let wait = |what: &str, limit: Duration, condition: &dyn Fn() -> bool| {
            let waited = wait_until(limit, what, || Ok(condition()));
            assert!(waited.is_ok(), "{what}:\n{}\n{}", up.last_words(), session.state());
        };
        // Its images have other names than those before.
        wait("Tilt does not deploy", PATIENCE, &|| session.generation() > deployed);
        wait("the platform is not ready", PATIENCE, &|| session.is_ready());
        wait("the gateway is not reached", PATIENCE, &|| said().as_deref() == Some(BEFORE));
        let gateway = "127.0.0.1:3000".parse().unwrap();
        let system = furnish(gateway, |service, words, input| session.command(service, words, input));
        runtime.block_on(async { buy(&system.customer().await, &system.showtime().await).await.unwrap() });
        let pod = session.pod("users");

        let began = Instant::now();
        programs.replace_in("moviebooking-users", BEFORE, AFTER);
        wait("the newer program does not answer", ARRIVAL, &|| said().as_deref() == Some(AFTER));
        println!("the newer program answered after {:.1} s", began.elapsed().as_secs_f64());
        assert_eq!(session.pod("users"), pod, "the pod was replaced or its container restarted");
        up.stop().unwrap();
    }
}
