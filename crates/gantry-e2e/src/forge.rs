//! A forge on this machine: real Git repositories, served over HTTP by Git's own `http-backend`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, ensure};

/// Largest request that is answered, in bytes.
const MAX_BODY: u64 = 16 << 20;

/// A running forge. Dropping it ends it.
#[derive(Debug)]
pub struct Forge {
    root: tempfile::TempDir,
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The listener waits for one more caller to see it.
        let _ = TcpStream::connect(self.address);
    }
}

impl Forge {
    /// Starts an empty one on a free port of this machine.
    ///
    /// # Errors
    /// When there is no port or no directory.
    pub fn start() -> anyhow::Result<Self> {
        let root = tempfile::tempdir()?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (requests, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (dir, count, end) = (root.path().to_owned(), Arc::clone(&requests), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                count.fetch_add(1, Ordering::SeqCst);
                let dir = dir.clone();
                std::thread::spawn(move || {
                    if let Err(error) = answer(&dir, stream) {
                        eprintln!("forge: {error:#}");
                    }
                });
            }
        });
        Ok(Self { root, address, requests, stop })
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests it has had.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Commits these files, and nothing else, to `main` of a repository, which is made when it is not there. Gives
    /// the commit.
    ///
    /// # Errors
    /// When Git refuses.
    pub fn commit(&self, repository: &str, files: &[(&str, &str)]) -> anyhow::Result<String> {
        let dir = self.root.path().join(repository);
        if !dir.exists() {
            std::fs::create_dir_all(&dir)?;
            git(&dir, &["init", "--quiet", "-b", "main"])?;
            git(&dir, &["config", "uploadpack.allowAnySHA1InWant", "true"])?;
        }
        for entry in std::fs::read_dir(&dir)?.flatten().filter(|e| e.file_name() != ".git") {
            let path = entry.path();
            if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
        }
        for (name, text) in files {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().context("no parent")?)?;
            std::fs::write(path, text)?;
        }
        git(&dir, &["add", "--all"])?;
        git(&dir, &["commit", "--quiet", "--allow-empty", "-m", "change"])?;
        git(&dir, &["rev-parse", "HEAD"])
    }

    /// Puts a tag on the head of `main`, wherever it was before.
    ///
    /// # Errors
    /// When Git refuses.
    pub fn tag(&self, repository: &str, tag: &str) -> anyhow::Result<()> {
        let dir = self.root.path().join(repository);
        git(&dir, &["tag", "--force", "--annotate", "-m", tag, tag]).map(drop)
    }
}

fn git(dir: &Path, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .args(["-c", "user.name=forge", "-c", "user.email=forge@example.net"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()?;
    ensure!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What a request says.
#[derive(Default)]
struct Request {
    method: String,
    target: String,
    kind: String,
    encoding: String,
    protocol: String,
    length: u64,
    expects: bool,
}

fn read_head(from: &mut BufReader<TcpStream>) -> anyhow::Result<Option<Request>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let mut request = Request { method: word(), target: word(), ..Request::default() };
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok(Some(request)) };
        let value = value.trim().to_owned();
        match name.to_lowercase().as_str() {
            "content-type" => request.kind = value,
            "content-encoding" => request.encoding = value,
            "git-protocol" => request.protocol = value,
            "content-length" => request.length = value.parse()?,
            "expect" => request.expects = true,
            _ => {}
        }
    }
}

/// Runs Git's own program for one request and sends what it says.
fn answer(root: &Path, stream: TcpStream) -> anyhow::Result<()> {
    let mut to = stream.try_clone()?;
    let mut from = BufReader::new(stream);
    let Some(request) = read_head(&mut from)? else { return Ok(()) };
    ensure!(request.length <= MAX_BODY, "a body of {} bytes", request.length);
    if request.expects {
        to.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = vec![0; usize::try_from(request.length)?];
    from.read_exact(&mut body)?;
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROTOCOL", &request.protocol)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", &request.method)
        .env("CONTENT_TYPE", &request.kind)
        .env("HTTP_CONTENT_ENCODING", &request.encoding)
        .env("CONTENT_LENGTH", request.length.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let feeder = std::thread::spawn(move || {
        // It may end without reading all.
        let _ = stdin.write_all(&body);
    });
    let mut said = Vec::new();
    child.stdout.take().context("no standard output")?.read_to_end(&mut said)?;
    child.wait()?;
    let _ = feeder.join();
    let end = said.windows(4).position(|w| w == b"\r\n\r\n").context("no head")?;
    let head = String::from_utf8_lossy(&said[..end]).into_owned();
    let status = head.lines().find_map(|l| l.strip_prefix("Status: ")).unwrap_or("200 OK");
    let others: Vec<&str> = head.lines().filter(|l| !l.starts_with("Status: ")).collect();
    let content = &said[end + 4..];
    let head = format!(
        "HTTP/1.1 {status}\r\n{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        others.join("\r\n"),
        content.len()
    );
    to.write_all(head.as_bytes())?;
    to.write_all(content)?;
    Ok(())
}
