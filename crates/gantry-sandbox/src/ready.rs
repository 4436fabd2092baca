//! Sandboxes that are made before a job needs them.
//!
//! When jobs of the same shape come one after the other, the next one's container is made while the one before
//! runs: disk, root, namespaces, control groups, PID 1. What belongs to one job alone is added when it takes the
//! container ([`Assignment`]); its network rules, secrets and commands come after that, as always. A container serves
//! one job and is removed after it, or unused after a while.
//!
//! The helper's process of each is bound to this process by its socket, so a crash leaves no more behind than with
//! running jobs. Not in here: making and removing one ([`crate::backend::container`]).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::backend::container::{Launched, launch};
use crate::handle::SandboxError;
use crate::helper::Assignment;
use crate::image::{ImageStore, PreparedImage};
use crate::spec::{Runtime, SandboxSpec};

/// Most that wait at the same time.
const MOST: usize = 2;
/// How long one may wait unused: the host's files, which it was made from, change.
const READY_FOR: Duration = Duration::from_secs(300);
/// Among how many of the last jobs one of the same shape is looked for.
const RECENT: usize = 8;

/// A store of sandboxes for the jobs of one runner.
#[derive(Debug, Default)]
pub struct Stock {
    shelf: Mutex<Shelf>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Nothing is made any more.
    closed: bool,
    /// The last jobs, the newest first.
    recent: VecDeque<Shape>,
    /// The oldest first.
    waiting: VecDeque<Waiting>,
}

/// One that is ready or being made.
#[derive(Debug)]
struct Waiting {
    shape: Shape,
    /// Whoever takes it says where it is to be delivered; dropped, it is removed.
    order: oneshot::Sender<oneshot::Sender<Launched>>,
}

/// All that a container is made of, without what is assigned to it later.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    spec: SandboxSpec,
    image: Option<PreparedImage>,
}

impl Shape {
    /// `None` when none can be made ahead: kept ones go by their own name, and gVisor's kernel has the host name and
    /// the files for itself.
    fn of(spec: &SandboxSpec, image: Option<&PreparedImage>) -> Option<Self> {
        if spec.keep || spec.runtime == Runtime::Runsc {
            return None;
        }
        let mut spec = SandboxSpec {
            id: String::new(),
            hostname: "job".to_owned(),
            directories: Vec::new(),
            services: Vec::new(),
            egress: gantry_core::EgressPolicy::default(),
            ..spec.clone()
        };
        // The image is here already.
        spec.options.credentials = None;
        Some(Self { spec, image: image.cloned() })
    }
}

impl Stock {
    /// The container of a job: one that waits, or a new one.
    pub(crate) async fn launch(
        &self,
        spec: &SandboxSpec,
        image: Option<PreparedImage>,
    ) -> Result<Launched, SandboxError> {
        let Some(shape) = Shape::of(spec, image.as_ref()) else {
            return launch(spec, image, None).await;
        };
        let waiting = self.shelf().take(shape);
        if let Some(order) = waiting
            && let Some(container) = delivered(order, spec).await
        {
            return Ok(container);
        }
        launch(spec, image, None).await
    }

    /// Makes what the next job is likely to need, when jobs of the same shape as the last one come again.
    pub(crate) fn refill(&self) {
        let mut shelf = self.shelf();
        let Some(shape) = shelf.wanted() else { return };
        let (order, ordered) = oneshot::channel();
        shelf.waiting.push_back(Waiting { shape: shape.clone(), order });
        drop(shelf);
        self.tasks.spawn(make(shape, ordered));
    }

    /// Removes what waits and waits until it is gone.
    pub async fn close(&self) {
        {
            let mut shelf = self.shelf();
            shelf.closed = true;
            shelf.waiting.clear();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// The oldest one of this shape, which is remembered as the last job's.
    fn take(&mut self, shape: Shape) -> Option<oneshot::Sender<oneshot::Sender<Launched>>> {
        self.waiting.retain(|waiting| !waiting.order.is_closed());
        let index = self.waiting.iter().position(|waiting| waiting.shape == shape);
        self.recent.push_front(shape);
        self.recent.truncate(RECENT);
        index.and_then(|index| self.waiting.remove(index)).map(|waiting| waiting.order)
    }

    /// The shape of one that is to be made now; makes room for it.
    fn wanted(&mut self) -> Option<Shape> {
        let mut recent = self.recent.iter();
        let shape = recent.next()?;
        if self.closed || !recent.any(|before| before == shape) {
            return None;
        }
        self.waiting.retain(|waiting| !waiting.order.is_closed());
        if self.waiting.len() == MOST {
            let other = self.waiting.iter().position(|waiting| waiting.shape != *shape)?;
            self.waiting.remove(other);
        }
        Some(shape.clone())
    }
}

/// Orders one and gives it to the job; `None` when it could not be made or is gone.
async fn delivered(
    order: oneshot::Sender<oneshot::Sender<Launched>>,
    spec: &SandboxSpec,
) -> Option<Launched> {
    let (deliver, delivery) = oneshot::channel();
    order.send(deliver).ok()?;
    let mut container = delivery.await.ok()?;
    match container.assign(&Assignment::of(spec)).await {
        Ok(()) => Some(container),
        Err(error) => {
            tracing::warn!(%error, "a sandbox that was made ahead is of no use; a new one is made");
            None
        }
    }
}

/// Makes one, keeps it until it is ordered, and removes it when nobody takes it.
async fn make(shape: Shape, ordered: oneshot::Receiver<oneshot::Sender<Launched>>) {
    let hold = shape.image.as_ref().map(|image| ImageStore::of(&shape.spec).hold(image));
    let Ok(_hold) = hold.transpose() else { return };
    let id = format!("ready-{}", uuid::Uuid::now_v7().simple());
    let made = launch(&SandboxSpec { id, ..shape.spec }, shape.image, None).await;
    let container = match made {
        Ok(container) => container,
        Err(error) => return tracing::warn!(%error, "no sandbox can be made ahead"),
    };
    let unused = match tokio::time::timeout(READY_FOR, ordered).await {
        Ok(Ok(deliver)) => deliver.send(container).err(),
        _ => Some(container),
    };
    if let Some(container) = unused
        && let Err(error) = container.finish().await
    {
        tracing::error!(%error, "a sandbox that nobody used cannot be removed");
    }
}
