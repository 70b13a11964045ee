//! A small file server on 127.0.0.1 that can be told to misbehave, and counts what it is asked for.

mod answer;
mod request;

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

pub use request::Request;

/// How the server misbehaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status, and with `Retry-After` where one is said.
    Status(u16, Option<String>),
    /// Breaks the connection before it answers.
    Reset,
    /// Announces all bytes, sends so many of the body, and closes.
    Truncate(usize),
    /// Sends so many bytes of the body without saying how many there are, and closes.
    Unannounced(usize),
    /// Never answers.
    Hang,
    /// Sends all of the file, whatever range was asked for.
    NoRanges,
    /// Sends a page of HTML with status 200.
    Page,
    /// The same page, called a TIFF.
    PageAsTiff,
    /// Sends no bytes with status 200.
    Empty,
    /// Redirects to this URL.
    Redirect(String),
    /// Answers well, once this header is sent.
    Needs(&'static str, String),
    /// Answers well.
    None,
}

#[derive(Debug, Default)]
struct Faults {
    always: HashMap<String, Fault>,
    /// What comes first, request by request.
    first: HashMap<String, VecDeque<Fault>>,
}

#[derive(Debug)]
struct State {
    folder: PathBuf,
    faults: Mutex<Faults>,
    log: Mutex<Vec<Request>>,
    /// How long each answer takes before its first byte.
    delay: Mutex<Duration>,
    /// Requests that wait for their answer, and the most that there were.
    waiting: AtomicUsize,
    most: AtomicUsize,
}

impl State {
    /// Takes its time. An answer that has begun counts no more, as who asked may go on then.
    async fn take_time(&self) {
        let waiting = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(waiting, Ordering::SeqCst);
        let delay = *lock(&self.delay);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    fn fault(&self, path: &str) -> Fault {
        let mut faults = lock(&self.faults);
        if let Some(first) = faults.first.get_mut(path).and_then(VecDeque::pop_front) {
            return first;
        }
        faults.always.get(path).cloned().unwrap_or(Fault::None)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running server: stopped, with all its connections, when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves the files of `folder` on `port` of 127.0.0.1, on any free one for 0.
    ///
    /// # Errors
    /// When the port is not free.
    pub fn start(folder: impl Into<PathBuf>, port: u16) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            folder: folder.into(),
            faults: Mutex::default(),
            log: Mutex::default(),
            delay: Mutex::default(),
            waiting: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = Arc::clone(&state);
        // A thread of its own: tests that block, and tests with a paused clock, are served alike.
        let thread = std::thread::Builder::new().name("files".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, served) => {}
                }
            });
        })?;
        Ok(Self { address, state, stop: Some(stop), thread: Some(thread) })
    }

    /// The URL of the folder, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Misbehaves at every request for `path` (`/a/b.tif`), until told otherwise.
    pub fn always(&self, path: &str, fault: Fault) {
        lock(&self.state.faults).always.insert(path.to_owned(), fault);
    }

    /// Misbehaves at the next requests for `path`, a fault each, before what it does always.
    pub fn first(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.state.faults).first.entry(path.to_owned()).or_default().extend(faults);
    }

    /// Takes so long before each answer.
    pub fn slow(&self, delay: Duration) {
        *lock(&self.state.delay) = delay;
    }

    /// The most requests that waited for their answer at a time.
    #[must_use]
    pub fn most_at_a_time(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }

    /// All requests so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state.log).clone()
    }

    /// How often `path` was asked for, HEAD or GET.
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        lock(&self.state.log).iter().filter(|request| request.path == path).count()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        lock(&self.state.log).clear();
    }

    /// Waits until it is stopped from outside, which it never is: for a program that only serves.
    ///
    /// # Errors
    /// When its thread broke off.
    pub fn wait(mut self) -> std::io::Result<()> {
        let thread = self.thread.take().ok_or_else(|| std::io::Error::other("the server was stopped"))?;
        thread.join().map_err(|_| std::io::Error::other("the server broke off"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A thread that is gone has stopped already; what it broke off with was printed by it.
        if let Some(stop) = self.stop.take()
            && stop.send(()).is_ok()
            && let Some(thread) = self.thread.take()
        {
            drop(thread.join());
        }
    }
}

async fn accept(listener: std::net::TcpListener, state: Arc<State>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(connection(stream, Arc::clone(&state)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers request after request; an error of the connection ends it.
async fn connection(mut stream: TcpStream, state: Arc<State>) {
    let mut unread = Vec::new();
    while let Ok(Some(request)) = request::read(&mut stream, &mut unread).await {
        lock(&state.log).push(request.clone());
        let fault = state.fault(&request.path);
        state.take_time().await;
        match answer::send(&mut stream, &state.folder, &request, fault).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}
