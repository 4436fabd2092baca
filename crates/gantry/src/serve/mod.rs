//! `gantry serve`: a standing hub and, unless it is told otherwise, a runner on this machine.
//!
//! Not in here: what the hub does (`gantry_server`), how a runner runs jobs (`gantry_runner`).

mod address;
mod config;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gantry_api::lease::Secret;
use gantry_server::http::tls::Tls;
use gantry_server::{Hub, HubError, HubOptions};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::cli::ServeArgs;
use crate::cmd::runner::{TOKEN_VARIABLE, host_name};
use crate::exit::{Done, Exit, Failure};
use crate::run::child::{Runner, RunnerSpec};
use crate::run::{hub_failure, runtime};
use crate::{files, out, trace};

/// Environment variable with the URL of a PostgreSQL database; a URL has a password in it.
pub const DATABASE_VARIABLE: &str = "GANTRY_DATABASE_URL";
/// Shortest token that may stand in the environment.
const MIN_TOKEN_BYTES: usize = 20;
/// Pause before a runner that died is started again; each time it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest such pause.
const MAX_PAUSE: Duration = Duration::from_mins(1);

/// Acts on `gantry serve`.
///
/// # Errors
/// The hub file is wrong, the data directory or address cannot be used, or another hub serves it.
pub fn run(args: &ServeArgs) -> Done {
    trace::to_stderr();
    let config = config::load(args.hub.as_deref(), args.poll)?;
    let data = files::make_data_dir(args.data_dir.as_deref())?;
    let data = data.canonicalize().map_err(|e| Failure::file("use", &data, &e))?;
    let runtime = runtime()?;
    let done = runtime.block_on(serve(args, config, &data));
    runtime.shutdown_background();
    done
}

async fn serve(
    args: &ServeArgs,
    config: gantry_server::service::ServiceConfig,
    data: &Path,
) -> Done {
    let repos = config.repos.len();
    let listener = TcpListener::bind(args.listen).await.map_err(|e| {
        Failure::infra(format!("cannot listen at `{}`", args.listen))
            .because(&e)
            .hint("another program may listen there; name another address with `--listen`")
    })?;
    let address = listener
        .local_addr()
        .map_err(|e| Failure::infra("cannot read the address of the listener").because(&e))?;
    let tls = tls(args)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let public_url = args.public_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
    let database = std::env::var(DATABASE_VARIABLE).ok();
    let own_url = match &args.advertise_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("{scheme}://{}", address::own(address, database.as_deref())),
    };
    let options = HubOptions {
        token: runner_token()?,
        database: database.map(Secret),
        public_url: Some(public_url),
        own_url: Some(own_url),
        ..HubOptions::default()
    };
    let hub = Hub::join_service(data, options, config)
        .await
        .map_err(|e| hub_failure("open the hub", &e))?;
    let hub = Arc::new(hub);
    let at = format!("{scheme}://{address}");
    // Whoever reads that the hub serves may use the first token at once.
    let leads = hub.leads();
    let first = if leads { bootstrap(&hub).await? } else { None };
    let serving = Serving::start(&hub, listener, tls.clone()).await?;
    out::line(&format!(
        "gantry serves {} at {at}",
        files::count(repos, "repository", "repositories")
    ))?;
    tell_first_token(first.as_deref(), &at)?;
    if !leads {
        out::line(
            "another hub leads: this one answers beside it, and takes over when that one falls silent",
        )?;
        tokio::spawn(succeed(Arc::clone(&hub), at));
    }
    let runner = match args.jobs {
        Some(0) => None,
        jobs => Some(spec(&hub, serving.own, data, jobs)?),
    };
    let stopped = until_stopped(args, &hub, tls.as_ref(), runner).await;
    hub.stop_serving();
    serving.end().await;
    let hub = Arc::into_inner(hub)
        .ok_or_else(|| Failure::infra("the hub is still in use and was not ended in order"))?;
    hub.shutdown().await.map_err(|e| hub_failure("end the hub in order", &e))?;
    stopped?;
    out::line("stopped; the next start goes on with what is unfinished")?;
    Ok(Exit::Green)
}

/// Makes the first token of a new service; answers the file that it is in.
async fn bootstrap(hub: &Hub) -> Result<Option<PathBuf>, Failure> {
    hub.bootstrap_token().await.map_err(|e| hub_failure("make the first token", &e))
}

fn tell_first_token(file: Option<&Path>, at: &str) -> Result<(), Failure> {
    let Some(path) = file else { return Ok(()) };
    out::line(&format!(
        "the first token is in `{0}`: paste it to sign in, or `gantry login {at} < {0}`",
        path.display()
    ))
}

/// Says so when this hub comes to lead.
async fn succeed(hub: Arc<Hub>, at: String) {
    if !hub.until_leading().await {
        return;
    }
    let told = match bootstrap(&hub).await {
        Ok(first) => {
            out::line("this hub leads now").and_then(|()| tell_first_token(first.as_deref(), &at))
        }
        Err(failure) => Err(failure),
    };
    if let Err(failure) = told {
        eprint!("{}", failure.text());
    }
}

/// The numbers of repositories and forges that a hub file gives a service.
///
/// # Errors
/// As `gantry serve` refuses it.
pub fn check_config(hub: Option<&Path>) -> Result<(usize, usize), Failure> {
    let config = config::load(hub, 0)?;
    Ok((config.repos.len(), config.connections.len()))
}

/// The token that runners register with, when the environment sets one.
pub fn runner_token() -> Result<Option<Secret>, Failure> {
    let Ok(token) = std::env::var(TOKEN_VARIABLE) else { return Ok(None) };
    let token = token.trim().to_owned();
    if token.len() < MIN_TOKEN_BYTES {
        let message = format!("`{TOKEN_VARIABLE}` is shorter than {MIN_TOKEN_BYTES} characters");
        return Err(Failure::usage(message).hint("`openssl rand -hex 32` makes one"));
    }
    Ok(Some(Secret(token)))
}

/// Certificate and key, when they are named.
fn tls(args: &ServeArgs) -> Result<Option<Tls>, Failure> {
    let (Some(certificates), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    let tls = Tls::load(certificates, key).map_err(|e| {
        Failure::usage("cannot serve with TLS")
            .because(&e)
            .hint("name the chain and the key in PEM form with `--tls-cert` and `--tls-key`")
    })?;
    Ok(Some(tls))
}

/// The tasks that answer.
struct Serving {
    tasks: Vec<JoinHandle<Result<(), HubError>>>,
    /// Where the own runner calls.
    own: SocketAddr,
}

impl Serving {
    /// Answers at `listener`. With TLS the own runner, which knows no name of the certificate, has a listener of its own
    /// on loopback.
    async fn start(
        hub: &Arc<Hub>,
        listener: TcpListener,
        tls: Option<Tls>,
    ) -> Result<Self, Failure> {
        let wrong = |e| Failure::infra("cannot listen on loopback").because(&e);
        let (address, serving) = (listener.local_addr().map_err(wrong)?, Arc::clone(hub));
        let Some(tls) = tls else {
            let own = SocketAddr::new(address::reachable(address.ip()), address.port());
            let task = tokio::spawn(async move { serving.serve(listener).await });
            return Ok(Self { tasks: vec![task], own });
        };
        let plain = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.map_err(wrong)?;
        let (own, beside) = (plain.local_addr().map_err(wrong)?, Arc::clone(hub));
        let outer = tokio::spawn(async move { serving.serve_tls(listener, tls).await });
        let inner = tokio::spawn(async move { beside.serve(plain).await });
        Ok(Self { tasks: vec![outer, inner], own })
    }

    async fn end(self) {
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::debug!(%error, "serving broke off");
            }
        }
    }
}

fn spec(
    hub: &Hub,
    address: SocketAddr,
    data: &Path,
    jobs: Option<u32>,
) -> Result<RunnerSpec, Failure> {
    let log = data.join("log");
    std::fs::create_dir_all(&log).map_err(|e| Failure::file("make", &log, &e))?;
    let cores = || std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    Ok(RunnerSpec {
        hub: format!("http://{address}"),
        token: hub.registration_token().to_owned(),
        name: host_name(),
        data_dir: data.to_owned(),
        jobs: jobs.unwrap_or_else(cores),
        process_isolation: false,
        offline: false,
        log: log.join("runner.log"),
    })
}

/// Keeps the runner alive and the configuration fresh until somebody asks for the end.
async fn until_stopped(
    args: &ServeArgs,
    hub: &Arc<Hub>,
    tls: Option<&Tls>,
    spec: Option<RunnerSpec>,
) -> Result<(), Failure> {
    let listen =
        |kind| signal(kind).map_err(|e| Failure::infra("cannot listen for signals").because(&e));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let (stop, stopping) = tokio::sync::oneshot::channel();
    let keeper = spec.map(|spec| tokio::spawn(keep(Arc::clone(hub), spec, stopping)));
    let lost = loop {
        tokio::select! {
            _ = interrupt.recv() => break false,
            _ = terminate.recv() => break false,
            _ = hangup.recv() => reload(args, hub, tls).await,
            () = hub.stopped() => break true,
        }
    };
    // Jobs of the runner end as lost and are queued again while the hub still listens.
    let _ = stop.send(());
    if let Some(keeper) = keeper
        && let Err(error) = keeper.await
    {
        tracing::error!(%error, "the runner was not ended in order");
    }
    if lost {
        return Err(Failure::infra("this hub lost the lead to another one, and stops")
            .hint("start it again, as systemd does by itself: it will follow the other one"));
    }
    Ok(())
}

async fn reload(args: &ServeArgs, hub: &Hub, tls: Option<&Tls>) {
    if let Some(Err(error)) = tls.map(Tls::reload) {
        tracing::error!(%error, "the certificate is not taken; what was read before holds");
    }
    let config = match config::load(args.hub.as_deref(), args.poll) {
        Ok(config) => config,
        Err(failure) => {
            eprint!("{}", failure.text());
            tracing::error!("the hub file is not taken; what was read before holds");
            return;
        }
    };
    let repos = config.repos.len();
    match hub.reload(config).await {
        Ok(()) => tracing::info!(repos, "the hub file was read anew"),
        Err(error) => tracing::error!(%error, "the hub file could not be taken"),
    }
}

/// Starts the runner, and again whenever it dies, until it is told to end.
async fn keep(hub: Arc<Hub>, spec: RunnerSpec, mut stopping: tokio::sync::oneshot::Receiver<()>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut runner = match Runner::start(spec.clone()).await {
            Ok(runner) => runner,
            Err(failure) => {
                eprint!("{}", failure.text());
                return;
            }
        };
        let died = tokio::select! {
            died = runner.died() => died,
            _ = &mut stopping => {
                runner.stop().await;
                return;
            }
        };
        let reason = match &died {
            Ok(status) => format!("the runner died ({status})"),
            Err(failure) => failure.message.clone(),
        };
        if let Err(error) = hub.runner_lost(&spec.name, &reason).await {
            tracing::error!(%error, "the runner's jobs could not be taken back");
        }
        if died.is_ok_and(|status| status.code() == Some(Exit::CannotIsolate as i32)) {
            tracing::error!(
                "this machine cannot isolate jobs: `gantry doctor` says why; the hub waits for other runners"
            );
            return;
        }
        tracing::warn!(reason, log = %spec.log.display(), "the runner is started again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = &mut stopping => return,
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
}
