//! Requests that flow while something is done to the platform.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinHandle;

/// Answers of each client that show that requests flow.
const FLOWING: usize = 15;
/// How long these may take, and the last answer of a client when it is to end: many times what they take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often they are counted.
const LOOK: Duration = Duration::from_millis(20);

/// Clients that ask one request after the other, and what went wrong.
#[derive(Default)]
pub struct Load {
    clients: Vec<(Arc<AtomicUsize>, JoinHandle<()>)>,
    stop: Arc<AtomicBool>,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Load {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more client. `ask` is told how often it was called before, and gives what is wrong with the answer.
    pub fn client<F>(&mut self, ask: impl Fn(usize) -> F + Send + 'static)
    where
        F: Future<Output = Result<(), String>> + Send,
    {
        let answers = Arc::new(AtomicUsize::new(0));
        let (count, stop, failures) =
            (Arc::clone(&answers), Arc::clone(&self.stop), Arc::clone(&self.failures));
        let client = tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let number = count.load(Ordering::Relaxed);
                if let Err(failure) = ask(number).await {
                    locked(&failures).push(failure);
                }
                count.store(number + 1, Ordering::Relaxed);
            }
        });
        self.clients.push((answers, client));
    }

    /// Answers that all clients have got so far.
    pub fn answers(&self) -> usize {
        self.counts().into_iter().sum()
    }

    /// What went wrong so far.
    pub fn failures(&self) -> Vec<String> {
        locked(&self.failures).clone()
    }

    /// Waits until every client has got some more answers.
    ///
    /// # Panics
    /// When one does not, in minutes.
    pub async fn flows(&self) {
        let before = self.counts();
        let flowing = async {
            while self.counts().iter().zip(&before).any(|(now, before)| *now < before + FLOWING) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, flowing).await;
        assert!(
            waited.is_ok(),
            "requests do not flow: {before:?}, then {:?}; {:?}",
            self.counts(),
            self.failures()
        );
    }

    /// Ends it: there was no failure.
    ///
    /// # Panics
    /// When there was one.
    pub async fn end(self) {
        let failures = self.stop().await;
        let first: Vec<&String> = failures.iter().take(20).collect();
        assert!(failures.is_empty(), "{} failures, first {first:#?}", failures.len());
    }

    /// Ends it, and gives what went wrong.
    ///
    /// # Panics
    /// When a client did.
    pub async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let before = self.counts();
        for (number, (_, client)) in self.clients.into_iter().enumerate() {
            let ended = tokio::time::timeout(PATIENCE, client).await;
            ended
                .unwrap_or_else(|_| panic!("client {number} gets no answer after {before:?}"))
                .expect("a client that ends");
        }
        locked(&self.failures).clone()
    }

    fn counts(&self) -> Vec<usize> {
        self.clients.iter().map(|(count, _)| count.load(Ordering::Relaxed)).collect()
    }
}

/// A lock that nobody panics under.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
