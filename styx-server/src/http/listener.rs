//! Connections: how many, how long they may keep the server waiting, and how they end.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{Instant, Sleep, sleep, timeout},
};
use tower::ServiceExt;

use super::{
    Peer,
    seats::{Idle, Seat},
};
use crate::metrics::HttpMetrics;

/// What connections may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many at a time; for further ones those give way that have waited longest for a request.
    pub(crate) connections: usize,
    /// The most bytes of a request's head.
    pub(crate) header_bytes: usize,
    /// How long a client may take to send a head, and to take in a piece of an answer.
    pub(crate) client_timeout: Duration,
    /// How long requests may go on after the server was told to stop.
    pub(crate) stop_timeout: Duration,
}

/// Serves until `stop` is done, then lets requests end that have begun.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    metrics: HttpMetrics,
    stop: impl Future<Output = ()>,
) {
    let (stopping, stopped) = watch::channel(());
    let room = Room {
        seats: Arc::new(Semaphore::new(limits.connections)),
        idle: Arc::default(),
        // Whoever comes next then finds room without waiting for somebody to leave.
        at_once: (limits.connections / 16).max(1),
        metrics,
    };
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let permit = tokio::select! {
                    permit = room.permit() => permit,
                    () = &mut stop => break,
                };
                let seat = Arc::new(Seat::take(&room.idle));
                let connected = room.metrics.connected();
                let connection = connection(stream, Peer(peer), seat, router.clone(), limits, stopped.clone());
                connections.spawn(async move {
                    connection.await;
                    drop((connected, permit));
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others must end first.
                tracing::warn!("accepting a connection: {error}");
                room.make();
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    drop(stopping);
    let ended = tokio::time::timeout(limits.stop_timeout, async { while connections.join_next().await.is_some() {} });
    if ended.await.is_err() {
        tracing::warn!("{} requests did not end in time and are cut", connections.len());
    }
}

/// How many connections there may be.
struct Room {
    seats: Arc<Semaphore>,
    idle: Arc<Idle>,
    /// How many are asked to give way when there is none.
    at_once: usize,
    metrics: HttpMetrics,
}

impl Room {
    /// How long one that was asked to give way may take before another one is asked.
    const PATIENCE: Duration = Duration::from_millis(100);

    /// Waits until there is room for a connection more.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.seats).try_acquire_owned() {
            return Some(permit);
        }
        loop {
            self.make();
            if let Ok(permit) = timeout(Self::PATIENCE, Arc::clone(&self.seats).acquire_owned()).await {
                self.idle.has_room();
                return permit.ok();
            }
        }
    }

    fn make(&self) {
        self.metrics.evicted(self.idle.make_room(self.at_once));
    }
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    seat: Arc<Seat>,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<()>,
) {
    // Answers are small: they must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(Impatient::new(stream, limits.client_timeout));
    let seat_of_service = Arc::clone(&seat);
    let service = service_fn(move |mut request: Request<Incoming>| {
        seat_of_service.begin();
        request.extensions_mut().insert(peer);
        let (router, seat) = (router.clone(), Arc::clone(&seat_of_service));
        async move {
            let answer = router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {});
            Ok::<_, Infallible>(answer.map(|body| seat.answer(body)))
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.client_timeout).max_header_size(limits.header_bytes);
    let connection = builder.serve_connection(stream, service);
    tokio::pin!(connection);
    let is_to_end = async {
        tokio::select! {
            _ = stopping.changed() => {}
            () = seat.gives_way() => {}
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = is_to_end => {
            if !seat.has_asked() {
                // There is nothing to finish.
                return;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}

/// A connection that gives up when the other side takes nothing in for too long, or little for very long.
struct Impatient<S> {
    stream: S,
    timeout: Duration,
    waiting: Option<Wait>,
    /// How long the other side may be waited for in all, less how long it was; what it takes in earns it more.
    patience: Duration,
}

/// The other side takes nothing in just now.
struct Wait {
    since: Instant,
    limit: Pin<Box<Sleep>>,
}

/// How slow a client may be in the long run, in bytes a second.
const SLOWEST: u64 = 16 * 1024;

impl<S> Impatient<S> {
    fn new(stream: S, timeout: Duration) -> Self {
        Self { stream, timeout, waiting: None, patience: Self::first_patience(timeout) }
    }

    fn first_patience(timeout: Duration) -> Duration {
        timeout * 3
    }

    /// It took in so many bytes.
    fn earn(&mut self, bytes: usize) {
        let earned = Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / SLOWEST);
        self.patience = (self.patience + earned).min(Self::first_patience(self.timeout));
    }

    fn patient<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            if let Some(waited) = self.waiting.take() {
                self.patience = self.patience.saturating_sub(waited.since.elapsed());
            }
            return poll;
        }
        let limit = self.timeout.min(self.patience);
        let waiting = self.waiting.get_or_insert_with(|| Wait { since: Instant::now(), limit: Box::pin(sleep(limit)) });
        match waiting.limit.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing in"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S> Impatient<S> {
    fn written(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let poll = self.patient(context, poll);
        if let Poll::Ready(Ok(bytes)) = &poll {
            self.earn(*bytes);
        }
        poll
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.patient(context, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// A client that always takes something in, but never much, doesn't hold a connection for ever.
    #[tokio::test]
    async fn a_client_that_reads_in_drops_is_cut_and_a_steady_one_is_not() {
        let (server, mut client) = duplex(64);
        let drops = tokio::spawn(async move {
            let mut taken = 0;
            while let Ok(count @ 1..) = client.read(&mut [0; 8]).await {
                taken += count;
                sleep(Duration::from_millis(20)).await;
            }
            taken
        });
        let mut server = Impatient::new(server, Duration::from_millis(200));
        let written = server.write_all(&[7; 1_000_000]).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(server);
        assert!(drops.await.unwrap() < 100_000);

        let (server, mut client) = duplex(64);
        let steady = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.map(|_| all.len())
        });
        let mut server = Impatient::new(server, Duration::from_secs(30));
        server.write_all(&[7; 1_000_000]).await.unwrap();
        server.shutdown().await.unwrap();
        drop(server);
        assert_eq!(steady.await.unwrap().unwrap(), 1_000_000);
    }
}
