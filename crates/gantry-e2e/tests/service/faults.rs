//! Deaths at random moments under load: of the hub on both engines, of the leader while another hub waits, of the
//! database, and of connections.

use gantry_testkit::postgres::Postgres;

use super::hub::Hub;
use super::load::{Load, number, seed};
use super::proxy::Proxy;

/// Deliveries for each fault.
const DELIVERIES: u64 = 4;

fn postgres() -> Option<Postgres> {
    match Postgres::start() {
        Ok(server) => Some(server),
        Err(reason) => {
            gantry_testkit::skip(format!("on PostgreSQL: {reason}"));
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_the_hub_lose_nothing_and_run_nothing_twice() {
    let (seed, kills) = (seed(), number("GANTRY_FAULTS", 20));
    kills_of_the_hub(seed, kills, None).await.unwrap_or_else(|e| panic!("seed {seed}: {e:#}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_the_hub_on_postgresql_lose_nothing_and_run_nothing_twice() {
    let Some(server) = postgres() else { return };
    let (seed, kills) = (seed(), number("GANTRY_FAULTS", 4));
    let done = kills_of_the_hub(seed, kills, Some(server.url())).await;
    done.unwrap_or_else(|e| panic!("seed {seed}: {e:#}"));
}

async fn kills_of_the_hub(seed: u64, kills: u64, database: Option<String>) -> anyhow::Result<()> {
    let mut load = Load::new(seed)?;
    let mut hub = Hub::new(&load.hub_file(), "127.0.0.1", 0, database)?;
    hub.again().await?;
    load.work_at(&hub.url);
    for _ in 0..kills {
        load.deliver(&hub, DELIVERIES).await;
        load.pause(300).await;
        hub.kill();
        load.pause(50).await;
        hub.again().await?;
    }
    load.end(&hub, &format!("{kills} kills")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_waits_takes_over_from_a_leader_that_is_killed() {
    let Some(server) = postgres() else { return };
    let (seed, kills) = (seed(), number("GANTRY_FAULTS", 3));
    let done = kills_of_the_leader(seed, kills, server.url()).await;
    done.unwrap_or_else(|e| panic!("seed {seed}: {e:#}"));
}

async fn kills_of_the_leader(seed: u64, kills: u64, database: String) -> anyhow::Result<()> {
    let mut load = Load::new(seed)?;
    let mut leader = Hub::new(&load.hub_file(), "127.0.0.1", 0, Some(database))?;
    leader.again().await?;
    // Runners and forges know one address, as behind a load balancer.
    let proxy = Proxy::start(&leader.url, None).await?;
    leader.entry = Some(proxy.url.clone());
    load.work_at(&proxy.url);
    let mut waiting = leader.beside();
    waiting.launch()?;
    for _ in 0..kills {
        load.deliver(&leader, DELIVERIES).await;
        load.pause(300).await;
        leader.kill();
        waiting.ready().await?;
        proxy.lead_to(&waiting.url);
        std::mem::swap(&mut leader, &mut waiting);
        waiting.launch()?;
    }
    load.end(&leader, &format!("{kills} kills of the leader")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_restarts_under_load_loses_nothing() {
    let Some(server) = postgres() else { return };
    let (seed, restarts) = (seed(), number("GANTRY_FAULTS", 3));
    let done = restarts_of_the_database(seed, restarts, &server).await;
    done.unwrap_or_else(|e| panic!("seed {seed}: {e:#}"));
}

async fn restarts_of_the_database(
    seed: u64,
    restarts: u64,
    server: &Postgres,
) -> anyhow::Result<()> {
    let mut load = Load::new(seed)?;
    let mut hub = Hub::new(&load.hub_file(), "127.0.0.1", 0, Some(server.url()))?;
    hub.again().await?;
    load.work_at(&hub.url);
    for _ in 0..restarts {
        load.deliver(&hub, DELIVERIES).await;
        load.pause(200).await;
        server.stop().map_err(anyhow::Error::msg)?;
        load.deliver(&hub, 1).await;
        server.again().map_err(anyhow::Error::msg)?;
    }
    load.end(&hub, &format!("{restarts} restarts of the database")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_lose_nothing() {
    let (seed, times) = (seed(), number("GANTRY_FAULTS", 10));
    broken_connections(seed, times).await.unwrap_or_else(|e| panic!("seed {seed}: {e:#}"));
}

async fn broken_connections(seed: u64, times: u64) -> anyhow::Result<()> {
    let mut load = Load::new(seed)?;
    let mut hub = Hub::new(&load.hub_file(), "127.0.0.1", 0, None)?;
    hub.again().await?;
    let proxy = Proxy::start(&hub.url, Some(seed)).await?;
    hub.entry = Some(proxy.url.clone());
    load.work_at(&proxy.url);
    for _ in 0..times {
        load.deliver(&hub, DELIVERIES).await;
    }
    let cut = proxy.mend();
    anyhow::ensure!(cut > 0, "no connection was cut");
    load.end(&hub, &format!("{cut} connections cut")).await
}
