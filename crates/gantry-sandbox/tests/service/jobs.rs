//! Jobs with services, in images, with egress rules.
//!
//! Not in here: how the image is made.

use gantry_sandbox::spec::HealthCheck;
use gantry_sandbox::{Isolation, RootFs, Sandbox};

use crate::bench::{bench, block_on, run};

fn check(command: &str) -> Option<HealthCheck> {
    Some(HealthCheck {
        command: command.to_owned(),
        interval_ms: 200,
        timeout_ms: 20_000,
        retries: 2,
        start_period_ms: 0,
    })
}

pub fn a_job_reaches_its_service() {
    let bench = bench();
    block_on(async {
        let mut job = bench.job();
        job.services.push(bench.service(&["serve", "5432"]));
        job.services[0].health = check("/server check 5432");
        let sandbox = Sandbox::start(job).await.unwrap();
        let talk =
            "cat </dev/tcp/db/5432; cat </dev/tcp/localhost/15432; cat </dev/tcp/127.0.0.1/5432";
        let (text, _) = run(&sandbox, &["bash", "-c", talk]).await;
        assert!(text.starts_with("welcome\nwelcome\n"), "by name and by mapped port: {text}");
        assert_eq!(text.matches("welcome").count(), 2, "and by nothing else: {text}");
        let report = sandbox.stop().await.unwrap();
        let log = "serving as uid 70 with `from the workflow`\n";
        assert_eq!(report.service_logs, [("db".to_owned(), log.to_owned())]);
        assert_eq!(report.denials, []);
        assert_eq!(report.usage.net_tx_bytes, 0);
    });
}

pub fn a_service_that_fails_says_why() {
    let bench = bench();
    block_on(async {
        let reason = async |command: &[&str], health: Option<HealthCheck>| {
            let mut job = bench.job();
            job.services.push(bench.service(command));
            job.services[0].health = health;
            Sandbox::start(job).await.unwrap_err().to_string()
        };
        assert_eq!(
            reason(&["fail"], None).await,
            "the service `db` did not become healthy: it ended with exit code 3; its last output:\n\
             no database directory"
        );
        assert_eq!(
            reason(&["hang"], check("echo not yet; exit 1")).await,
            "the service `db` did not become healthy: its health check `echo not yet; exit 1` failed: \
             it ended with exit code 1: not yet"
        );
        let mut job = bench.job();
        job.services.push(bench.service(&["hang"]));
        job.services[0].image = "oci-layout:/nowhere".to_owned();
        assert_eq!(
            Sandbox::start(job).await.unwrap_err().to_string(),
            "the image `oci-layout:/nowhere` cannot be used: there is no directory `/nowhere`"
        );
    });
}

pub fn a_job_runs_in_an_image() {
    let bench = bench();
    block_on(async {
        let mut job = bench.job();
        job.rootfs = RootFs::Image(bench.image.clone());
        let sandbox = Sandbox::start(job).await.unwrap();
        let (text, exit) = run(&sandbox, &["/server", "whoami"]).await;
        assert_eq!((text.as_str(), exit.code), ("uid 1001\n", 0));
        let of_image = ("PASSWORD".to_owned(), "of the image".to_owned());
        assert_eq!(sandbox.image_env(), [of_image]);
        let (_, exit) = run(&sandbox, &["/bin/sh", "-c", "echo x > /srv/x"]).await;
        assert_ne!(exit.code, 0, "it belongs to the account of the image");
        let (text, _) =
            run(&sandbox, &["/bin/sh", "-c", "echo x > /tmp/x && echo /usr/* /srv"]).await;
        assert!(!text.contains("/usr/bin"), "nothing of the host shows: {text}");
        sandbox.stop().await.unwrap();
    });
}

pub fn denials_name_the_step() {
    let bench = bench();
    block_on(async {
        let mut job = bench.job();
        job.egress.rules.push("files.example".parse().unwrap());
        let sandbox = Sandbox::start(job).await.unwrap();
        sandbox.mark_step("Install");
        let dial = "for h in evil.example/443 169.254.169.254/80 files.example/22 192.0.2.7/4444; do \
                    cat </dev/tcp/$h; done";
        let (_, exit) = run(&sandbox, &["bash", "-c", dial]).await;
        assert_ne!(exit.code, 0);
        let report = sandbox.stop().await.unwrap();
        let mut seen: Vec<_> = report
            .denials
            .iter()
            .map(|d| (d.host.as_str(), d.port, d.reason.as_str(), d.step.as_deref()))
            .collect();
        seen.sort_unstable();
        let step = Some("Install");
        assert_eq!(
            seen,
            [
                ("169.254.169.254", 80, "not allowed", step),
                ("192.0.2.7", 4444, "not allowed", step),
                ("evil.example", 0, "not allowed", step),
                ("files.example", 22, "not allowed", step),
            ]
        );
    });
}

pub fn plain_processes_have_no_services() {
    let bench = bench();
    block_on(async {
        let mut job = bench.job();
        job.isolation = Isolation::Process;
        job.services.push(bench.service(&["serve", "5432"]));
        let error = Sandbox::start(job).await.unwrap_err().to_string();
        assert!(error.contains("services need a container"), "{error}");
    });
}
