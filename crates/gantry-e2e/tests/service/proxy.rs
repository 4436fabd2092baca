//! A TCP proxy in front of a hub: it leads to another one when it is told so, and cuts connections after so many bytes
//! as its seed says.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::load::Random;

/// Most bytes of a connection that is cut.
const MOST: u64 = 6_000;

pub struct Proxy {
    pub url: String,
    to: Arc<Mutex<String>>,
    cuts: Arc<AtomicBool>,
    cut: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

fn address(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

impl Proxy {
    /// Starts one that leads to `url`; with a seed it cuts connections.
    pub async fn start(url: &str, seed: Option<u64>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = format!("http://{}", listener.local_addr()?);
        let to = Arc::new(Mutex::new(address(url)));
        let cuts = Arc::new(AtomicBool::new(seed.is_some()));
        let cut = Arc::<AtomicU64>::default();
        let mut random = Random::new(seed.unwrap_or_default());
        let (place, does, count) = (Arc::clone(&to), Arc::clone(&cuts), Arc::clone(&cut));
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let to = place.lock().expect("lock").clone();
                let most = does.load(Ordering::SeqCst).then(|| random.below(MOST));
                tokio::spawn(carry(near, to, most, Arc::clone(&count)));
            }
        });
        Ok(Self { url: own, to, cuts, cut, task })
    }

    /// New connections lead there.
    pub fn lead_to(&self, url: &str) {
        *self.to.lock().expect("lock") = address(url);
    }

    /// Cuts no new connections any more; how many there were.
    pub fn mend(&self) -> u64 {
        self.cuts.store(false, Ordering::SeqCst);
        self.cut.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries bytes both ways until one side ends, or `most` bytes have passed.
async fn carry(mut near: TcpStream, to: String, most: Option<u64>, cut: Arc<AtomicU64>) {
    let Ok(mut far) = TcpStream::connect(to).await else { return };
    let mut left = most.unwrap_or(u64::MAX);
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    while left > 0 {
        let done = tokio::select! {
            read = near.read(&mut up) => pass(read, &up, &mut far, &mut left).await,
            read = far.read(&mut down) => pass(read, &down, &mut near, &mut left).await,
        };
        if !done.unwrap_or(false) {
            return;
        }
    }
    cut.fetch_add(1, Ordering::SeqCst);
    // Not the end of a stream but its breaking off.
    for side in [&near, &far] {
        let _ = side.set_zero_linger();
    }
}

async fn pass(
    read: std::io::Result<usize>,
    bytes: &[u8],
    to: &mut TcpStream,
    left: &mut u64,
) -> std::io::Result<bool> {
    let some = read?.min(usize::try_from(*left).unwrap_or(usize::MAX));
    to.write_all(&bytes[..some]).await?;
    *left -= some as u64;
    Ok(some > 0)
}
