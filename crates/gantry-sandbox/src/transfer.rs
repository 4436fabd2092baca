//! Bulk data of an operation, within the credit window: from a reader into the sandbox, and out of it
//! as a reader.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::control::Channel;
use crate::handle::{SandboxError, answer};
use crate::protocol::{Answer, CHUNK_BYTES, Frame, Kind, WINDOW_BYTES};

/// Sends all that a reader gives, and waits for the answer.
pub(crate) async fn send(
    mut channel: Channel,
    mut source: impl AsyncRead + Send + Unpin,
) -> Result<Answer, SandboxError> {
    let sender = channel.data_sender();
    let mut window = WINDOW_BYTES;
    let mut buffer = BytesMut::new();
    let mut ended = false;
    loop {
        buffer.reserve(CHUNK_BYTES.saturating_sub(buffer.capacity()).max(1));
        tokio::select! {
            frame = channel.next() => {
                let frame = frame?;
                match frame.kind {
                    Kind::Credit => window += frame.number().unwrap_or(0) as usize,
                    Kind::Result => return answer(&frame),
                    _ => {}
                }
            }
            read = source.read_buf(&mut buffer), if !ended && window >= CHUNK_BYTES => {
                let unread = |error| SandboxError::File(format!("cannot read the stream: {error}"));
                if read.map_err(unread)? == 0 {
                    ended = true;
                    sender.end().await?;
                } else {
                    window -= buffer.len().min(window);
                    sender.send(buffer.split().freeze()).await?;
                }
            }
        }
    }
}

type Step = BoxFuture<'static, (Channel, Result<Frame, SandboxError>)>;

/// The data of an operation as a reader. Dropping it before its end ends the operation.
struct Receive {
    step: Option<Step>,
    bytes: Bytes,
}

/// Reads the data of an operation.
pub(crate) fn receive(channel: Channel) -> impl AsyncRead + Send + Unpin + use<> {
    Receive { step: Some(step(channel)), bytes: Bytes::new() }
}

fn step(mut channel: Channel) -> Step {
    async move {
        let frame = channel.next().await;
        (channel, frame)
    }
    .boxed()
}

impl AsyncRead for Receive {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.bytes.is_empty() {
            let Some(current) = self.step.as_mut() else { return Poll::Ready(Ok(())) };
            let (channel, frame) = ready!(current.poll_unpin(context));
            self.step = None;
            let frame = frame.map_err(io::Error::other)?;
            if frame.kind == Kind::Result {
                answer(&frame).map_err(io::Error::other)?;
                return Poll::Ready(Ok(()));
            }
            if frame.kind == Kind::Data {
                channel.credit(frame.payload.len());
                self.bytes = frame.payload;
            }
            self.step = Some(step(channel));
        }
        let count = self.bytes.len().min(into.remaining());
        into.put_slice(&self.bytes[..count]);
        self.bytes.advance(count);
        Poll::Ready(Ok(()))
    }
}
